//! What may stand where a host is named.

use crate::resource::check::Check;

/// The value of `key` must be a host name or an address, and nothing around it.
pub(in crate::resource) fn host_name(key: &str, host: &str, check: &mut Check) {
    if !is_host_name(host) {
        let why = "is not a host name or an address; a port has its own field";
        // Whoever writes `user:password@host` has written a password.
        check.field(
            key,
            |check| if host.contains('@') { check.refuse_secret(why) } else { check.refuse(why) },
        );
    }
}

/// Whether `host` is a host name or an address, and nothing more.
pub(in crate::resource) fn is_host_name(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok() || !host.contains(':') && url::Host::parse(host).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_alone() {
        for (host, good) in [
            ("db.internal", true),
            ("10.0.0.1", true),
            ("::1", true),
            ("my_service", true),
            ("http://db", false),
            ("db:5432", false),
            ("a b", false),
            ("", false),
        ] {
            let mut check = Check::new();
            host_name("host", host, &mut check);
            assert_eq!(check.finish().violations.is_empty(), good, "{host}");
        }
    }
}
