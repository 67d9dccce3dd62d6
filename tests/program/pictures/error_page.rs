//! The page that people see when a short link fails, in a real browser.

use tempfile::TempDir;

use crate::pictures::browser::look;
use crate::support::Service;

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_shows_it_by_its_policy_and_loads_nothing() {
    let directory = TempDir::new().unwrap();
    let flags = ["--landing-url", "https://www.example.com/welcome?a=\"b\"&c=1"];
    let service = Service::start(directory.path(), &flags);
    let client = reqwest::Client::new();
    let answer = client.post(format!("http://{}/r/oak", service.address)).send().await.unwrap();
    assert_eq!(answer.status(), 405);
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let page = answer.text().await.unwrap();
    drop(service);

    // A file has no headers: the policy moves into the page, without the part that only headers have.
    let (policy, frames) = policy.split_once("; frame-ancestors").unwrap();
    assert_eq!(frames, " 'none'");
    let with = |policy: &str| {
        let meta =
            format!("<head><meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\"/>");
        page.replacen("<head>", &meta, 1)
    };
    let file = directory.path().join("page.html");
    std::fs::write(&file, with(policy)).unwrap();
    let pictures = ["light", "dark"].map(|scheme| {
        let picture = directory.path().join(format!("{scheme}.png"));
        assert_eq!(look(&file, &picture, scheme), "", "{scheme}");
        std::fs::read(picture).unwrap()
    });
    assert!(pictures[0] != pictures[1], "light and dark look alike");

    // So that silence means something: another style is refused.
    std::fs::write(&file, with(policy).replace("max-width: 36rem", "max-width: 37rem")).unwrap();
    let said = look(&file, &directory.path().join("other.png"), "light");
    assert!(said.contains("CONSOLE") && said.contains("style"), "{said}");
}
