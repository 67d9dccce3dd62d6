// whence: <script async src="https://.../touch.js" data-consent="granted"></script>
// Reports where this visit came from; the server sets the cookies.
(function (d, w) {
  var s = d.currentScript;
  // Nobody chose to visit a page inside of a frame.
  if (!s || w.top !== w.self) return;
  function report() {
    fetch(new URL("/v1/touch", s.src), {
      method: "POST",
      // A plain text needs no preflight; nobody reads the answer.
      mode: "no-cors",
      credentials: "include",
      keepalive: true,
      referrerPolicy: "strict-origin",
      body: JSON.stringify({
        location: w.location.href.slice(0, 2000),
        referrer: d.referrer.slice(0, 1500),
        consent: s.dataset.consent || undefined
      })
    }).catch(function () {});
  }
  // A prerendered page is not visited until it is shown.
  if (d.prerendering) d.addEventListener("prerenderingchange", report, { once: true });
  else report();
})(document, window);
