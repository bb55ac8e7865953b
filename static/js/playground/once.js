/* An id for one wish: it stays the same until the server has surely answered, so that sending again is not a second one. */
export class Once {
  idFor(wish) {
    const text = JSON.stringify(wish);
    if (this.text !== text) Object.assign(this, { text, id: crypto.randomUUID() });
    return this.id;
  }

  settled() {
    this.text = undefined;
  }
}
