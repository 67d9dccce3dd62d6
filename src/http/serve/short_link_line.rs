//! The request line of a short link, as programs send it that encode nothing.

/// What such a line begins with.
const BEGINNINGS: [&[u8]; 6] =
    [b"GET /r/", b"GET /R/", b"GET //", b"HEAD /r/", b"HEAD /R/", b"HEAD //"];

/// What a short link is read in, until its address ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ShortLinkLine {
    /// Another part of a connection.
    #[default]
    Elsewhere,
    /// The address of a short link.
    Address,
}

impl ShortLinkLine {
    /// Makes bytes that were read harmless in the address of a short link; `begins`: they begin a request.
    ///
    /// hyper refuses an address with `<`, `>`, `^` or a backquote in it, without asking anybody. No code
    /// has one of them, and each ends a code, as the quotation mark does that is put in its place.
    pub(super) fn mend(&mut self, read: &mut [u8], begins: bool) {
        let mut rest = read;
        if begins {
            *self = Self::Elsewhere;
            if let Some(beginning) = BEGINNINGS.iter().find(|start| rest.starts_with(start)) {
                *self = Self::Address;
                rest = &mut rest[beginning.len()..];
            }
        }
        if *self == Self::Elsewhere {
            return;
        }
        for byte in rest {
            match byte {
                b' ' | b'\r' | b'\n' => {
                    *self = Self::Elsewhere;
                    return;
                }
                b'<' | b'>' | b'^' | b'`' => *byte = b'"',
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn mended(reads: &[&str], expected: &str) {
        let (mut line, mut all) = (ShortLinkLine::default(), Vec::new());
        for (n, read) in reads.iter().enumerate() {
            let mut bytes = read.as_bytes().to_vec();
            line.mend(&mut bytes, n == 0);
            all.extend(bytes);
        }
        assert_eq!(String::from_utf8(all).unwrap(), expected);
    }

    #[test]
    fn only_the_address_of_a_short_link_is_mended() {
        mended(
            &["GET /r/oak<br>^` HTTP/1.1\r\nx: <a>\r\n\r\n"],
            "GET /r/oak\"br\"\"\" HTTP/1.1\r\nx: <a>\r\n\r\n",
        );
        mended(&["GET //r/oak> HTTP/1.1\r\n"], "GET //r/oak\" HTTP/1.1\r\n");
        mended(&["HEAD /r/oak", "> HTTP", "/1.1\r\nx: >"], "HEAD /r/oak\" HTTP/1.1\r\nx: >");
        for same in ["GET /v1/x> HTTP/1.1\r\n", "POST /r/oak> HTTP/1.1", "{\"a\":\"<GET /r/>\"}"] {
            mended(&[same], same);
        }
        mended(&["POST /x HTTP/1.1\r\n\r\n", "GET /r/<"], "POST /x HTTP/1.1\r\n\r\nGET /r/<");
    }
}
