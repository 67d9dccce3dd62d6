//! `whence report VIEW --chart`.
use crate::story::Story;

#[tokio::test(flavor = "multi_thread")]
async fn x() {
    for view in [
        "signups",
        "funnel",
        "referrers",
        "tree",
        "viral",
        "time-to-signup",
        "retention",
        "models",
        "domains",
        "creators",
    ] {
        println!("{}", Story::of(420).await.report(&[view, "--chart"]));
    }
}
