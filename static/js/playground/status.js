/* What a screen reader hears: that it has begun, that it goes on, how it ended. Never the words one by one. */
const PULSE = 7000;

export class Status {
  constructor(region, words) {
    this.region = region;
    this.words = words;
  }

  say(text) {
    this.region.textContent = text;
  }

  generating() {
    this.say(this.words.generating);
    clearInterval(this.pulse);
    this.pulse = setInterval(() => {
      this.say("");
      requestAnimationFrame(() => this.say(this.words.still));
    }, PULSE);
  }

  wordsFor(status, turn) {
    const done = this.words.done.replace("{words}", turn.words).replace("{seconds}", turn.seconds);
    return { completed: done, stopped: this.words.stopped }[status] ?? this.words.failed;
  }

  ended(text) {
    clearInterval(this.pulse);
    this.say(text);
  }
}
