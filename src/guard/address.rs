//! Why an address is not connected to.

/// Why an address is not reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It may be a metadata service, or is no address of anything.
    #[error(
        "{0} is a link-local, unspecified or metadata address, which Portreeve does not connect to (--allow-address \
        permits exceptions)"
    )]
    Forbidden(String),
    /// There is no host at all.
    #[error("has no host")]
    NoHost,
}

#[cfg(test)]
mod tests {
    use super::super::Guard;

    fn refused(guard: &Guard, url: &str) -> bool {
        guard.check(&url.parse().expect(url)).is_err()
    }

    #[test]
    fn metadata_and_unspecified_addresses_are_forbidden_in_every_spelling() {
        for url in [
            "http://169.254.169.254/latest",
            "http://169.254.170.2/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://[fd20:ce::254]/",
            "http://[::ffff:169.254.169.254]/",
            "http://[::169.254.169.254]/",
            "http://[64:ff9b::169.254.169.254]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[64:ff9b:1::169.254.169.254]/",
            "http://[2002:a9fe:a9fe::]/",
            "http://[::ffff:0:169.254.169.254]/",
            "http://0xa9fea9fe/",
            "http://2852039166/",
            "http://0/",
            "http://0.0.0.0:8000/",
            "http://[::]/",
            "http://[::ffff:0.0.0.0]/",
            "http://100.100.100.200/",
            "http://168.63.129.16/",
            "http://192.80.8.124/",
            "http://[fd00:ec2::23]/",
            "http://192.0.0.192/",
            "http://255.255.255.255/",
            "tcp://169.254.169.254:80",
            "tcp://[fe80::1]:80",
            "ssh://root@0xa9fea9fe/",
        ] {
            assert!(refused(&Guard::default(), url), "{url}");
        }
        for url in [
            "http://127.0.0.1:7000",
            "http://10.0.0.1",
            "http://100.100.100.201/",
            "http://[::1]:8001",
            "http://[::ffff:10.0.0.1]/",
            "http://[64:ff9b::10.0.0.1]/",
            "http://[2001:db8::1]/",
            "http://billing:8001",
            "tcp://10.0.0.1:2375",
        ] {
            assert!(!refused(&Guard::default(), url), "{url}");
        }
    }

    #[test]
    fn an_exception_holds_for_its_network_alone() {
        let guard = Guard::new(vec!["169.254.170.0/24".parse().expect("a network")], Vec::new());
        assert!(!refused(&guard, "http://169.254.170.2/"));
        assert!(!refused(&guard, "http://[::ffff:169.254.170.2]/"));
        assert!(refused(&guard, "http://169.254.169.254/"));
    }

    #[tokio::test]
    async fn a_name_is_asked_at_those_of_its_addresses_that_are_allowed() {
        let guard = Guard::default();
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().expect(text)).collect();
        let allowed = guard.allowed("a.test", addresses(&["169.254.169.254:80", "10.0.0.1:80"]));
        assert_eq!(allowed, Ok(addresses(&["10.0.0.1:80"])));
        let refused = guard.allowed("a.test", addresses(&["169.254.169.254:80"])).expect_err("forbidden");
        assert!(refused.to_string().contains("a.test is a link-local"), "{refused}");
        assert_eq!(guard.allowed("a.test", Vec::new()), Ok(Vec::new()));
    }
}
