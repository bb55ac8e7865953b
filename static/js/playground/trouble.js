/* What is said when the stream or the server is away. */
const FOR_GOOD = new Set([400, 401, 403, 404]);

export class Trouble {
  constructor(region, status, words) {
    this.region = region;
    this.status = status;
    this.words = words;
  }

  tell(text) {
    this.region.textContent = text;
    this.region.hidden = !text;
  }

  /* A stream broke with this HTTP status, 0 for none. True when coming back is of no use. */
  lost(status) {
    if (!FOR_GOOD.has(status)) {
      this.status.say(this.words.offline);
      return false;
    }
    const why = status === 401 ? this.words.signedOut : this.words.failed;
    this.status.ended(why);
    this.tell(why);
    return true;
  }
}
