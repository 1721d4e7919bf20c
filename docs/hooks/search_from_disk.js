// A page that is opened from the disk may not start a worker. This stands in for it: the same script, in a hidden
// frame of the page. Material's own stand-in comes from the network, which a compute centre may not have.
class FrameWorker extends EventTarget {
  constructor(url) {
    super();
    this.frame = document.createElement("iframe");
    this.frame.hidden = true;
    document.body.appendChild(this.frame);
    this.inner = this.frame.contentWindow;
    this.inner.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
    this.inner.importScripts = (...urls) => urls.reduce((all, one) => all.then(() => this.load(one)), Promise.resolve());
    this.ready = this.load(url);
  }
  load(url) {
    return new Promise((loaded, failed) => {
      const script = this.inner.document.createElement("script");
      script.src = new URL(url, document.baseURI).href;
      script.onload = loaded;
      script.onerror = failed;
      this.inner.document.body.appendChild(script);
    });
  }
  postMessage(data) {
    this.ready.then(() => this.inner.dispatchEvent(new MessageEvent("message", { data })));
  }
  terminate() {
    this.frame.remove();
  }
}
if (location.protocol === "file:") window.Worker = FrameWorker;
