//! URLs in manifests: what they must be like, and that they hold no secret. A manifest is shown to everybody who may read, and
//! so is what it says.

use url::{Url, form_urlencoded};

/// Parts of the names of parameters whose values are secrets.
const SECRET_PARTS: [&str; 5] = ["token", "secret", "passw", "credential", "apikey"];
/// Whole names of such parameters, without `-` and `_`.
const SECRET_NAMES: [&str; 8] =
    ["key", "accesskey", "auth", "authorization", "pwd", "sig", "signature", "code"];

/// Why a text is not the base URL of an HTTP service. The text itself is never repeated: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// It does not parse, or has no host.
    #[error("is not a URL with a host, such as \"http://localhost:7000\"")]
    Malformed,
    /// Its scheme is not one that is spoken.
    #[error("must start with http:// or https://")]
    Scheme,
    /// It holds a user's name, a password or a token, which would show wherever the object is shown.
    #[error(
        "contains a user, a password or a token; give it as auth: {{basic: {{username: …, password: {{env: NAME}}}}}} \
        or \
         {{bearer: {{env: NAME}}}}"
    )]
    Secret,
    /// Paths are appended to it, which a query or fragment does not survive.
    #[error("must end with its path: no ?query and no #fragment")]
    Tail,
}

/// Whether `text` is the base URL of an HTTP service.
///
/// # Errors
/// The first of [`UrlFault`] that applies.
pub fn http_url(text: &str) -> Result<(), UrlFault> {
    let url = Url::parse(text).map_err(|_| {
        // `localhost:7000` parses as a scheme, `10.0.0.1:7000` not at all: both lack the scheme.
        if text.contains("://") { UrlFault::Malformed } else { UrlFault::Scheme }
    })?;
    if names_user(&url) || has_secret(url.query().unwrap_or_default()) {
        return Err(UrlFault::Secret);
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlFault::Scheme);
    }
    // Names hold nothing else; what browsers would let pass may be a `;token=` in the wrong place.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if url.host_str().is_none_or(|host| host.is_empty() || !host.chars().all(plain)) {
        return Err(UrlFault::Malformed);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(UrlFault::Tail);
    }
    Ok(())
}

/// Whether a path with a query holds a secret in the latter.
pub fn holds_secret(path: &str) -> bool {
    path.split_once('?').is_some_and(|(_, query)| has_secret(query.split('#').next().unwrap_or_default()))
}

/// Whether a text that is meant to be a URL may hold a secret, whatever else is wrong with it.
pub fn may_hold_secret(text: &str) -> bool {
    let tail = text.split_once(['?', '#', ';']).map_or("", |(_, tail)| tail);
    text.contains('@') || tail.split(['#', ';']).any(has_secret)
}

fn names_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Whether a query has a parameter whose name says that its value is a secret.
fn has_secret(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(name, value)| !value.is_empty() && is_secret_name(&name))
}

/// Whether the name of a parameter or of a header says that its value is a secret.
pub fn is_secret_name(name: &str) -> bool {
    let name: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    SECRET_PARTS.iter().any(|part| name.contains(part)) || SECRET_NAMES.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_urls_with_a_host_and_without_a_secret_are_base_urls() {
        for (text, expected) in [
            ("http://localhost:7000", Ok(())),
            ("https://registry.internal/base/", Ok(())),
            ("http://[::1]:80", Ok(())),
            ("http://user@host", Err(UrlFault::Secret)),
            ("http://user:hunter2@host", Err(UrlFault::Secret)),
            ("http://:hunter2@host", Err(UrlFault::Secret)),
            ("https://ghp_abcdef@host", Err(UrlFault::Secret)),
            ("ftp://user:hunter2@host", Err(UrlFault::Secret)),
            ("http://host/?token=hunter2", Err(UrlFault::Secret)),
            ("http://host/?a=b&API-Key=hunter2", Err(UrlFault::Secret)),
            ("ftp://host", Err(UrlFault::Scheme)),
            ("localhost:7000", Err(UrlFault::Scheme)),
            ("10.0.0.1:7000", Err(UrlFault::Scheme)),
            ("", Err(UrlFault::Scheme)),
            ("http://", Err(UrlFault::Malformed)),
            ("http://:80", Err(UrlFault::Malformed)),
            ("http://host;token=hunter2/x", Err(UrlFault::Malformed)),
            ("http://host:99999", Err(UrlFault::Malformed)),
            ("http://host/?a=b", Err(UrlFault::Tail)),
            ("http://host/#x", Err(UrlFault::Tail)),
        ] {
            assert_eq!(http_url(text), expected, "{text}");
        }
    }

    #[test]
    fn the_name_of_a_parameter_says_whether_its_value_is_a_secret() {
        for path in [
            "/health?token=x",
            "/health?access_token=x",
            "/?a=b&apiKey=x",
            "/?password=x",
            "/?sig=x",
            "/?client-secret=x#y",
            "/?%74oken=x",
            "/?key=x",
        ] {
            assert!(holds_secret(path), "{path}");
        }
        for path in
            ["/health", "/health?verbose", "/?keyword=x", "/?q=token", "/token/x", "/?token", "/?token="]
        {
            assert!(!holds_secret(path), "{path}");
        }
    }

    #[test]
    fn what_may_hold_a_secret_is_not_shown_even_if_it_is_no_url() {
        for text in [
            "user:hunter2@host",
            "http//u:p@h",
            "host?token=x",
            "/x#access_token=x",
            "/?a=b#token=x",
            "http://h;token=x/",
        ] {
            assert!(may_hold_secret(text), "{text}");
        }
        assert!(!may_hold_secret("ftp://host/?a=b"));
    }
}
