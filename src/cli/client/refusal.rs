//! What a server says when it refuses.

use reqwest::StatusCode;
use serde::Deserialize;

use crate::cli::text::plain;

/// A refusal in the server's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Refused {
    /// HTTP status.
    pub(in crate::cli) code: u16,
    /// For people.
    pub(in crate::cli) message: String,
    /// What is wrong with which field, one line each.
    pub(in crate::cli) causes: Vec<String>,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        self.causes.iter().try_for_each(|cause| write!(f, "\n  {cause}"))
    }
}

impl Refused {
    /// Message and causes, as a problem of a file is told.
    pub(in crate::cli) fn one_line(&self) -> String {
        self.to_string().replace("\n  ", "; ")
    }
}

/// Kubernetes' `Status`, as far as it is read here.
#[derive(Deserialize)]
struct Status {
    message: String,
    #[serde(default)]
    details: Option<Details>,
}

#[derive(Default, Deserialize)]
struct Details {
    #[serde(default)]
    causes: Vec<Cause>,
}

#[derive(Deserialize)]
struct Cause {
    #[serde(default)]
    field: String,
    #[serde(default)]
    message: String,
}

/// The refusal that an answer with `code` is; `None` if it is not Portreeve's. Who is not let in is told how.
pub(super) fn read(code: StatusCode, text: &[u8], with_token: bool) -> Option<Refused> {
    let refused = |message: String, causes| Some(Refused { code: code.as_u16(), message, causes });
    if code == StatusCode::UNAUTHORIZED {
        let hint = if with_token {
            "this Portreeve does not accept the token"
        } else {
            "this Portreeve needs a token: set PORTREEVE_TOKEN or --token; `portreeve token create` creates one"
        };
        return refused(hint.to_owned(), Vec::new());
    }
    let Status { message, details } = serde_json::from_slice(text).ok()?;
    // The message of an invalid document repeats its causes.
    let causes = details.unwrap_or_default().causes.into_iter();
    let causes = causes.filter(|cause| {
        !cause.field.is_empty() && !message.contains(cause.message.trim_start_matches("directory:"))
    });
    let causes = causes.map(|Cause { field, message }| plain(&format!("{field}: {message}")));
    refused(plain(&message), causes.collect())
}
