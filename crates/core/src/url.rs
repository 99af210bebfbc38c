//! The issuer's URL: what stands in `iss` and in front of `/.well-known/openid-configuration`, byte for byte.

use std::fmt;

/// Why a text is not an issuer URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// Neither https nor, where that is allowed, http with a loopback host.
    #[error("{0:?} must be https (http is for loopback hosts on the command line only)")]
    Scheme(String),
    /// A query, fragment, user, trailing slash, space or control character, or longer than 255 characters.
    #[error("{0:?}: {1}")]
    Form(String, &'static str),
}

/// An https URL without query, fragment, user or trailing slash, at most 255 characters: what AWS takes for an OIDC
/// provider (IAM, `CreateOpenIDConnectProvider`) and OIDC Discovery section 3 allows. AWS takes no port either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerUrl(String);

impl IssuerUrl {
    /// For a deployed issuer: https only.
    pub fn new(text: &str) -> Result<Self, UrlFault> {
        // What stands before an `@` may be a password.
        let shown = text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, rest)| format!("(...)@{rest}"));
        let fault = |why| Err(UrlFault::Form(shown.clone(), why));
        let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
            return Err(UrlFault::Scheme(shown));
        };
        let authority = rest.split('/').next().unwrap_or_default();
        if text.len() > 255 {
            return fault("longer than 255 characters");
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) || text.contains(['"', '<', '>', '\\', '^', '`', '{', '|', '}'])
        {
            return fault("holds characters that a URL does not have");
        }
        if text.contains(['?', '#']) {
            return fault("an issuer URL has no query and no fragment");
        }
        if text.ends_with('/') {
            return fault("an issuer URL does not end in a slash");
        }
        if !is_authority(authority) {
            return fault("a host is needed, perhaps a port, and no user");
        }
        let path = rest.get(authority.len()..).unwrap_or_default();
        if path.split('/').skip(1).any(|segment| matches!(segment, "" | "." | "..")) || path.contains('%') {
            return fault("clients would write this path in another way");
        }
        if text.starts_with("http://") {
            return Err(UrlFault::Scheme(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// For the command line and the local server: https, or http with a loopback host.
    pub fn local(text: &str) -> Result<Self, UrlFault> {
        match Self::new(text) {
            Err(UrlFault::Scheme(_)) if is_loopback(text) => Ok(Self(text.to_owned())),
            other => other,
        }
    }

    /// The text, as configured.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path, empty for an issuer at the root of its host.
    pub fn path(&self) -> &str {
        let authority = self.0.find("://").map_or(0, |at| at + 3);
        let after = self.0.get(authority..).unwrap_or_default();
        after.find('/').and_then(|at| after.get(at..)).unwrap_or_default()
    }
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name or an address, and perhaps a port.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let label = |label: &str| {
        !label.is_empty() && !label.starts_with('-') && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    address.map_or_else(|| host.split('.').all(label), |v6| v6.parse::<std::net::Ipv6Addr>().is_ok())
        && port.is_none_or(|port| !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok())
}

/// Is this `http://` and a host that can only be this machine (`localhost`, 127.0.0.0/8, `::1`)?
pub fn is_loopback(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // In `localhost:x@acme.com` all that stands before the `@` is a user.
    if !is_authority(authority) {
        return false;
    }
    let host = match authority.strip_prefix('[').and_then(|v6| v6.split_once(']')) {
        Some((host, _)) => host,
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_https_and_http_on_loopback_only_where_allowed() {
        for url in ["https://id.acme.com", "https://id.acme.com/tokens", "https://id.acme.com:8443/a/b"] {
            assert_eq!(IssuerUrl::new(url).unwrap().as_str(), url);
        }
        for url in ["http://127.0.0.1:8787", "http://localhost", "http://[::1]:80/dev", "http://127.9.9.9"] {
            assert!(matches!(IssuerUrl::new(url), Err(UrlFault::Scheme(_))), "{url}");
            assert!(IssuerUrl::local(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn refuses_what_relying_parties_would_compare_differently() {
        for url in [
            "",
            "id.acme.com",
            "ftp://id.acme.com",
            "https://",
            "https:///path",
            "https://:443",
            "https://a@b.com",
            "https://id.acme.com/",
            "https://id.acme.com?x",
            "https://id.acme.com#x",
            "https://id acme.com",
            "https://id.acme.com/\u{e9}",
            "http://id.acme.com",
            "http://127.0.0.1.evil.com",
            "http://localhost.evil.com",
            "http://localhost@evil.com",
            "http://[::1]evil.com",
            "http://10.0.0.1",
            "https://id.acme.com:",
            "https://id.acme.com:99999",
            "https://id.acme.com:1:1",
            "https://id.acme.com:80a",
            "https://[::1",
            "https://.",
            "https://-",
            "https://a..b",
            "https://id.acme.com/%zz",
            "https://id.acme.com/a/../b",
            "https://id.acme.com/a//b",
            "http://127.0.0.1:x",
        ] {
            assert!(IssuerUrl::local(url).is_err(), "{url}");
        }
        assert!(IssuerUrl::new(&format!("https://{}", "a".repeat(248))).is_err());
        for url in ["https://ann:secret@id.acme.com", "ftp://ann:secret@id.acme.com", "https://a@secret@b?c"] {
            let fault = IssuerUrl::local(url).unwrap_err().to_string();
            assert!(fault.contains("(...)@") && !fault.contains("secret"), "{fault}");
        }
    }

    #[test]
    fn a_user_before_the_host_makes_no_loopback() {
        for url in ["http://localhost", "http://127.0.0.1:1/a?b@c", "http://[::1]:80#@"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "https://localhost",
            "http://localhost:x@evil.com",
            "http://127.0.0.1:80@evil.com",
            "http://[::1]:80@evil.com",
            "http://localhost\\@evil.com",
            "http://localhost:",
            "http://",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn path_is_what_follows_the_host() {
        assert_eq!(IssuerUrl::new("https://id.acme.com").unwrap().path(), "");
        assert_eq!(IssuerUrl::new("https://id.acme.com/a/b").unwrap().path(), "/a/b");
    }
}
