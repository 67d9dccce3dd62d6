// whence: <script async src="https://.../touch.js" data-consent="granted"></script>
// Reports where this visit came from; the server sets the cookies.
(function (d, w) {
  var s = d.currentScript;
  // Nobody chose to visit a page inside of a frame.
  if (!s || w.top !== w.self) return;
  function report() {
    var l = w.location.href.split("#"),
      // Of a fragment, which may hold tokens, only what belongs to a campaign.
      f = l.slice(1).join("#").match(/\b(utm_|mtm_|pk_|gad_|ref=|creator=|epik=|\w*(c|cl|clk|click|fat_|slt|bra)id=)[^&?#]*/gi);
    fetch(new URL("/v1/touch", s.src), {
      method: "POST",
      // A plain text needs no preflight.
      mode: "no-cors",
      credentials: "include",
      keepalive: true,
      referrerPolicy: "strict-origin",
      body: JSON.stringify({
        location: (f ? l[0] + "#" + f.join("&") : l[0]).slice(0, 2000),
        referrer: d.referrer.slice(0, 1500),
        consent: s.dataset.consent || undefined
      })
    }).catch(function () {});
  }
  // A prerendered page is not visited yet.
  if (d.prerendering) d.addEventListener("prerenderingchange", report, { once: true });
  else report();
})(document, window);
