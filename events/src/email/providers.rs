//! Which spellings of an address end in one mailbox, by the rules of its provider.
//!
//! The table has large providers only, and of each only what it really does, by its own help pages (or,
//! where these are silent, by the page that is named). A rule that is wrong refuses a credit or holds
//! up somebody's mail, so that what is not known is not assumed. Domains that are not in the table get
//! [`UNKNOWN`]. The pages were read in November 2026.

/// What a provider does with the addresses at its domains.
struct Provider {
    /// The domains, each in ASCII and lower case.
    domains: &'static [&'static str],
    /// Whether the same name at each of the domains belongs to one person; it is then counted at the
    /// first of them.
    one_name: bool,
    /// The characters of a name that the provider overlooks.
    ignored: &'static [char],
    /// Two characters that the provider does not tell apart: the first is read as the second.
    alike: Option<(char, char)>,
    /// How an address gets a tag.
    tag: Tag,
    /// What a label in front of the domain means.
    subdomain: Subdomain,
}

/// How an address of a provider gets a tag.
#[derive(Clone, Copy)]
enum Tag {
    /// What follows the first `+` is a tag.
    Plus,
    /// A `+` is a tag as above, and the provider's names have no hyphen: one is in disposable addresses
    /// only, between a base that one person owns, and which is no name of a mailbox, and a keyword.
    PlusOrDisposable,
    /// The provider knows no tags.
    None,
}

/// What a label in front of a provider's domain means.
#[derive(Clone, Copy)]
enum Subdomain {
    /// The provider gives no meaning to it.
    None,
    /// It is the name of a mailbox: `anything@NAME.example.com` is `NAME@example.com`.
    Mailbox,
    /// It belongs to one person, with whatever name is in front of it.
    Person,
}

/// What holds at domains that are not in the table: a tag after `+`, which most servers of mail know
/// or can be told to know, and nothing else.
const UNKNOWN: Provider = Provider {
    domains: &[],
    one_name: false,
    ignored: &[],
    alike: None,
    tag: Tag::Plus,
    subdomain: Subdomain::None,
};

/// The providers, with the pages that say so.
const PROVIDERS: [Provider; 12] = [
    // Gmail: https://support.google.com/mail/answer/7436150 (dots), /answer/22370 (tags),
    // /answer/10313 (googlemail.com). Dots count at domains of organisations.
    Provider {
        domains: &["gmail.com", "googlemail.com"],
        one_name: true,
        ignored: &['.'],
        ..UNKNOWN
    },
    // Proton: https://proton.me/support/addresses-and-aliases (the domains and tags; a name belongs to
    // one user at all of them), https://www.sindastra.de/p/1775/protonmail-dots-hyphens-and-underscores
    // (the answers of the provider on dots, hyphens and underscores).
    Provider {
        domains: &["proton.me", "protonmail.com", "protonmail.ch", "pm.me"],
        one_name: true,
        ignored: &['.', '-', '_'],
        ..UNKNOWN
    },
    // iCloud: https://support.apple.com/118230 (an older account has its name at all three).
    Provider { domains: &["icloud.com", "me.com", "mac.com"], one_name: true, ..UNKNOWN },
    // Outlook.com: https://learn.microsoft.com/exchange/recipients-in-exchange-online/plus-addressing-in-exchange-online
    // (tags). A name may belong to somebody else at each of the domains, and dots count.
    Provider {
        domains: &["outlook.com", "hotmail.com", "live.com", "msn.com", "passport.com"],
        ..UNKNOWN
    },
    // Fastmail: https://www.fastmail.help/hc/en-us/articles/360060591053 (tags, and subdomains). A name
    // may belong to somebody else at each of the domains.
    Provider { domains: &FASTMAIL, subdomain: Subdomain::Mailbox, ..UNKNOWN },
    // Yahoo: https://help.yahoo.com/kb/SLN28815.html (disposable addresses, BASE-KEYWORD). A name may
    // belong to somebody else at each of the domains.
    Provider { domains: &YAHOO, tag: Tag::PlusOrDisposable, ..UNKNOWN },
    // Yandex: https://yandex.com/support/id/en/authorization/login.html (a dot and a hyphen of a login
    // are the same), https://www.yandex.com/support/mail/reg.html (the domains are aliases).
    Provider { domains: &YANDEX, one_name: true, alike: Some(('.', '-')), ..UNKNOWN },
    // Posteo: https://posteo.de/blog/2 (14 December 2023: a name belongs to one person at all of them).
    Provider { domains: &POSTEO, one_name: true, ..UNKNOWN },
    // Tuta: https://tuta.com/support/howto (no tags). A name may belong to somebody else at each.
    Provider {
        domains: &[
            "tuta.com",
            "tuta.io",
            "tutanota.com",
            "tutanota.de",
            "tutamail.com",
            "keemail.me",
        ],
        tag: Tag::None,
        ..UNKNOWN
    },
    // GMX and WEB.DE: https://hilfe.gmx.net/email/einstellungen/e-mail-adressen/ (other addresses of a
    // mailbox are ordered one by one; a `+` is no tag). A name may belong to somebody else at each.
    Provider {
        domains: &[
            "gmx.de",
            "gmx.net",
            "gmx.at",
            "gmx.ch",
            "gmx.com",
            "gmx.eu",
            "gmx.org",
            "gmx.info",
            "gmx.us",
            "gmx.co.uk",
            "gmx.fr",
            "gmx.es",
            "web.de",
        ],
        tag: Tag::None,
        ..UNKNOWN
    },
    // Firefox Relay: https://support.mozilla.org/kb/register-your-own-domain-firefox-relay-premium,
    // addy.io: https://addy.io/help/ and https://addy.io/faq/, 33Mail: https://www.33mail.com/.
    Provider {
        domains: &["mozmail.com", "anonaddy.com", "anonaddy.me", "addymail.com", "33mail.com"],
        subdomain: Subdomain::Person,
        ..UNKNOWN
    },
    // Others whose pages know tags after `+`, and who have several domains on which a name may belong to
    // somebody else: https://www.zoho.com/mail/help/, https://kb.mailbox.org/, https://help.mail.ru/mail,
    // https://help.hey.com/. Masks of a relay without a subdomain have nothing in common:
    // https://duckduckgo.com/duckduckgo-help-pages/email-protection/, https://support.apple.com/105078.
    Provider {
        domains: &[
            "zoho.com",
            "zohomail.com",
            "zoho.eu",
            "zohomail.eu",
            "zohomail.in",
            "mailbox.org",
            "mail.ru",
            "inbox.ru",
            "list.ru",
            "bk.ru",
            "internet.ru",
            "hey.com",
            "duck.com",
            "privaterelay.appleid.com",
            "qq.com",
            "foxmail.com",
            "naver.com",
            "aol.com",
        ],
        ..UNKNOWN
    },
];

/// The domains that Fastmail offers, by https://www.fastmail.help/hc/en-us/articles/1500000278242.
const FASTMAIL: [&str; 31] = [
    "fastmail.com",
    "fastmail.fm",
    "123mail.org",
    "airpost.net",
    "eml.cc",
    "fastem.com",
    "fastmail.cn",
    "fastmail.co.uk",
    "fastmail.com.au",
    "fastmail.de",
    "fastmail.es",
    "fastmail.fr",
    "fastmail.im",
    "fastmail.in",
    "fastmail.jp",
    "fastmail.mx",
    "fastmail.net",
    "fastmail.nl",
    "fastmail.org",
    "fastmail.se",
    "fastmail.to",
    "fastmail.tw",
    "fastmail.uk",
    "fastmail.us",
    "ftml.net",
    "mailbolt.com",
    "mailcan.com",
    "myfastmail.com",
    "sent.com",
    "speedymail.org",
    "warpmail.net",
];

/// The domains of Yahoo Mail, without Japan's, which is another company.
const YAHOO: [&str; 32] = [
    "yahoo.com",
    "ymail.com",
    "rocketmail.com",
    "myyahoo.com",
    "yahoo.at",
    "yahoo.be",
    "yahoo.ca",
    "yahoo.co.id",
    "yahoo.co.il",
    "yahoo.co.in",
    "yahoo.co.kr",
    "yahoo.co.nz",
    "yahoo.co.th",
    "yahoo.co.uk",
    "yahoo.co.za",
    "yahoo.com.ar",
    "yahoo.com.au",
    "yahoo.com.br",
    "yahoo.com.hk",
    "yahoo.com.mx",
    "yahoo.com.ph",
    "yahoo.com.sg",
    "yahoo.com.tr",
    "yahoo.com.tw",
    "yahoo.com.vn",
    "yahoo.de",
    "yahoo.es",
    "yahoo.fr",
    "yahoo.gr",
    "yahoo.ie",
    "yahoo.in",
    "yahoo.it",
];

/// The domains at which each mailbox of Yandex is.
const YANDEX: [&str; 21] = [
    "yandex.ru",
    "yandex.com",
    "ya.ru",
    "narod.ru",
    "yandex.az",
    "yandex.by",
    "yandex.co.il",
    "yandex.com.am",
    "yandex.com.ge",
    "yandex.com.tr",
    "yandex.ee",
    "yandex.fr",
    "yandex.kg",
    "yandex.kz",
    "yandex.lt",
    "yandex.lv",
    "yandex.md",
    "yandex.tj",
    "yandex.tm",
    "yandex.ua",
    "yandex.uz",
];

/// The domains of Posteo.
const POSTEO: [&str; 15] = [
    "posteo.de",
    "posteo.net",
    "posteo.at",
    "posteo.be",
    "posteo.ca",
    "posteo.ch",
    "posteo.com",
    "posteo.es",
    "posteo.eu",
    "posteo.ie",
    "posteo.lu",
    "posteo.me",
    "posteo.nl",
    "posteo.uk",
    "posteo.us",
];

/// Returns the one spelling of the addresses that end in the same mailbox. It is an address itself.
pub(super) fn person(name: &str, domain: &str) -> String {
    if let Some(provider) = of(domain) {
        let domain = if provider.one_name { provider.domains[0] } else { domain };
        return format!("{}@{domain}", provider.mailbox(name));
    }
    if let Some((label, parent)) = domain.split_once('.')
        && let Some(provider) = of(parent)
    {
        match provider.subdomain {
            Subdomain::Mailbox => return format!("{}@{parent}", provider.mailbox(label)),
            Subdomain::Person => return format!("all@{domain}"),
            Subdomain::None => {}
        }
    }
    format!("{}@{domain}", UNKNOWN.mailbox(name))
}

/// Returns the provider of a domain.
fn of(domain: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.domains.contains(&domain))
}

impl Provider {
    /// Returns the one spelling of a name. A name of which nothing would be left stays as it is.
    fn mailbox(&self, name: &str) -> String {
        let untagged = match self.tag {
            Tag::Plus | Tag::PlusOrDisposable => name.split('+').next().unwrap_or(name),
            Tag::None => name,
        };
        let base = match (self.tag, untagged.split_once('-')) {
            // The hyphen stays: a base is no name of a mailbox, which may be somebody else's.
            (Tag::PlusOrDisposable, Some((base, _))) if !base.is_empty() => {
                &untagged[..=base.len()]
            }
            _ => untagged,
        };
        let read = |c| self.alike.filter(|(one, _)| *one == c).map_or(c, |(_, other)| other);
        let mailbox: String =
            base.chars().filter(|c| !self.ignored.contains(c)).map(read).collect();
        if mailbox.is_empty() || mailbox.ends_with('.') { name.to_owned() } else { mailbox }
    }
}
