//! The templates of mails, with the values that they show.

use askama::Template;

#[derive(Template)]
#[template(path = "login_code.txt")]
pub(super) struct LoginCodeText<'a> {
    pub(super) site: &'a str,
    pub(super) code: &'a str,
    pub(super) page_host: Option<&'a str>,
    pub(super) minutes: u32,
    pub(super) asked_from: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "login_code.html")]
pub(super) struct LoginCodeHtml<'a> {
    pub(super) title: &'a str,
    pub(super) site: &'a str,
    pub(super) code: &'a str,
    pub(super) minutes: u32,
    pub(super) asked_from: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "change_code.txt")]
pub(super) struct ChangeCodeText<'a> {
    pub(super) site: &'a str,
    pub(super) code: &'a str,
    pub(super) page_host: Option<&'a str>,
    pub(super) minutes: u32,
}

#[derive(Template)]
#[template(path = "change_code.html")]
pub(super) struct ChangeCodeHtml<'a> {
    pub(super) title: &'a str,
    pub(super) site: &'a str,
    pub(super) code: &'a str,
    pub(super) minutes: u32,
}

#[derive(Template)]
#[template(path = "address_in_use.txt")]
pub(super) struct AddressInUseText<'a> {
    pub(super) site: &'a str,
}

#[derive(Template)]
#[template(path = "address_in_use.html")]
pub(super) struct AddressInUseHtml<'a> {
    pub(super) title: &'a str,
    pub(super) site: &'a str,
}

#[derive(Template)]
#[template(path = "address_changed.txt")]
pub(super) struct AddressChangedText<'a> {
    pub(super) site: &'a str,
    pub(super) link: &'a str,
    pub(super) hours: u32,
}

#[derive(Template)]
#[template(path = "address_changed.html")]
pub(super) struct AddressChangedHtml<'a> {
    pub(super) title: &'a str,
    pub(super) site: &'a str,
    pub(super) link: &'a str,
    pub(super) hours: u32,
}

#[derive(Template)]
#[template(path = "welcome.txt")]
pub(super) struct WelcomeText<'a> {
    pub(super) site: &'a str,
    pub(super) link: &'a str,
}

#[derive(Template)]
#[template(path = "welcome.html")]
pub(super) struct WelcomeHtml<'a> {
    pub(super) title: &'a str,
    pub(super) site: &'a str,
    pub(super) link: &'a str,
}

#[derive(Template)]
#[template(path = "erasure_requested.txt")]
pub(super) struct ErasureRequestedText<'a> {
    pub(super) site: &'a str,
    pub(super) due: &'a str,
}

#[derive(Template)]
#[template(path = "erasure_requested.html")]
pub(super) struct ErasureRequestedHtml<'a> {
    pub(super) title: &'a str,
    pub(super) site: &'a str,
    pub(super) due: &'a str,
}
