//! `whence report --html`.
use crate::story::Story;

#[tokio::test(flavor = "multi_thread")]
async fn y() {
    std::fs::write("/tmp/xb/page.html", Story::of(420).await.report(&["--html", "-"])).unwrap();
}
