//! The templates of mails, with the values that they show.

use askama::Template;

/// The words of a mail, as text and as HTML.
pub(super) trait Words: Template {
    /// Returns the words as HTML under a title.
    fn html(&self, title: &str) -> askama::Result<String>;
}

/// Declares the values that both templates of a mail show.
macro_rules! words {
    ($($text:ident $text_path:tt, $html:ident $html_path:tt { $($field:ident: $kind:ty,)+ })+) => {$(
        #[derive(Template)]
        #[template(path = $text_path)]
        pub(super) struct $text<'a> {
            $(pub(super) $field: $kind,)+
        }

        #[derive(Template)]
        #[template(path = $html_path)]
        struct $html<'a> {
            title: &'a str,
            words: &'a $text<'a>,
        }

        impl Words for $text<'_> {
            fn html(&self, title: &str) -> askama::Result<String> {
                $html { title, words: self }.render()
            }
        }
    )+};
}

words! {
    LoginCode "login_code.txt", LoginCodeHtml "login_code.html" {
        site: &'a str,
        code: &'a str,
        page_host: Option<&'a str>,
        minutes: u32,
        asked_from: Option<&'a str>,
    }
    ChangeCode "change_code.txt", ChangeCodeHtml "change_code.html" {
        site: &'a str,
        code: &'a str,
        page_host: Option<&'a str>,
        minutes: u32,
    }
    AddressInUse "address_in_use.txt", AddressInUseHtml "address_in_use.html" {
        site: &'a str,
    }
    AddressChanged "address_changed.txt", AddressChangedHtml "address_changed.html" {
        site: &'a str,
        link: &'a str,
        by_operator: bool,
        hours: u32,
    }
    Welcome "welcome.txt", WelcomeHtml "welcome.html" {
        site: &'a str,
        link: &'a str,
    }
    ErasureRequested "erasure_requested.txt", ErasureRequestedHtml "erasure_requested.html" {
        site: &'a str,
        due: &'a str,
    }
}
