//! What whoever brings no token may do, by the address that the request comes from.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::tokens::Role;

/// How specific "this machine itself" is: as `127.0.0.0/8`.
const LOOPBACK: u8 = 8;

/// The rules of `--anonymous`, and what holds without any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anonymous(Vec<Rule>);

/// One `--anonymous ROLE[@CIDR]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What is permitted; `None`: nothing.
    pub role: Option<Role>,
    /// Where from; `None`: this machine itself.
    pub network: Option<IpNet>,
}

/// Why a text is not such a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--anonymous {0:?} is not ROLE or ROLE@CIDR, such as view, edit, none or view@172.16.0.0/12")]
pub struct RuleError(String);

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let unfit = || RuleError(text.chars().take(64).collect());
        let (role, network) = match text.split_once('@') {
            Some((role, network)) => (role, Some(network)),
            None => (text, None),
        };
        let role = match role {
            "none" => None,
            "view" => Some(Role::View),
            "edit" => Some(Role::Edit),
            _ => return Err(unfit()),
        };
        let network = network.map(|text| super::network::network(text).ok_or_else(unfit)).transpose()?;
        Ok(Self { role, network })
    }
}

impl Rule {
    /// How specific it is for `address`; `None` if it does not cover it.
    fn covers(&self, address: IpAddr) -> Option<u8> {
        match &self.network {
            Some(network) => network.contains(&address).then(|| network.prefix_len()),
            None => address.is_loopback().then_some(LOOPBACK),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.role.map_or("none", Role::as_str))?;
        match self.network {
            Some(network) => write!(f, "@{network}"),
            None => f.write_str("@loopback"),
        }
    }
}

impl Anonymous {
    /// These rules, in the order in which they were given.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self(rules)
    }

    /// What whoever asks from `address` may do. Of several rules that cover it the most specific holds, and of equals the
    /// last. Where none does, this machine itself may read unless the API is `closed`, and nobody else may do anything.
    pub fn role(&self, address: IpAddr, closed: bool) -> Option<Role> {
        let address = address.to_canonical();
        let covering = self.0.iter().filter_map(|rule| Some((rule.covers(address)?, rule.role)));
        match covering.max_by_key(|(specific, _)| *specific) {
            Some((_, role)) => role,
            None => (address.is_loopback() && !closed).then_some(Role::View),
        }
    }

    /// What holds now, for people: `view@loopback`, `edit@10.0.0.0/8`; empty if nothing is open.
    pub fn in_force(&self, closed: bool) -> Vec<String> {
        let own = self.0.iter().any(|rule| rule.network.is_none());
        let default = (!own && !closed).then_some(Rule { role: Some(Role::View), network: None });
        let shown = |rule: &&Rule| rule.role.is_some() || rule.network.is_some();
        let rules = default.iter().chain(&self.0).filter(shown);
        rules.map(ToString::to_string).collect()
    }

    /// Whether nobody beyond this machine is let in.
    pub fn is_local(&self) -> bool {
        self.0.iter().all(|rule| rule.role.is_none() || rule.network.is_none())
    }

    /// What whoever set these rules should know.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for rule in self.0.iter().filter(|rule| rule.role.is_some()) {
            match (rule.role, &rule.network) {
                (Some(Role::Edit), None) => warnings.push(
                    "--anonymous edit: every local user, and every container with the host's network, may change \
                    everything, can run commands in containers through a probe, and so become root"
                        .to_owned(),
                ),
                (_, Some(network)) => warnings.push(format!(
                    "--anonymous {rule}: behind a port that Docker publishes, callers from outside can have the \
                    address of the bridge's gateway; if {network} contains that address, they are permitted too"
                )),
                (_, None) => {}
            }
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anonymous(rules: &[&str]) -> Anonymous {
        Anonymous::new(rules.iter().map(|rule| rule.parse().expect(rule)).collect())
    }

    fn role(rules: &[&str], address: &str, closed: bool) -> Option<Role> {
        anonymous(rules).role(address.parse().expect(address), closed)
    }

    #[test]
    fn without_rules_this_machine_may_read_until_there_are_tokens_and_nobody_else_may_do_anything() {
        for local in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(role(&[], local, false), Some(Role::View), "{local}");
            assert_eq!(role(&[], local, true), None, "{local}");
        }
        for elsewhere in ["10.0.0.1", "192.168.1.2", "fe80::1", "2001:db8::1", "::ffff:10.0.0.1", "0.0.0.0"] {
            assert_eq!(role(&[], elsewhere, false), None, "{elsewhere}");
        }
    }

    #[test]
    fn a_rule_holds_whether_there_are_tokens_or_not_and_the_most_specific_counts() {
        let (view, edit) = (Some(Role::View), Some(Role::Edit));
        for (rules, address, expected) in [
            (&["edit"][..], "127.0.0.1", edit),
            (&["edit"], "10.0.0.1", None),
            (&["none"], "127.0.0.1", None),
            (&["view@172.16.0.0/12"], "172.17.0.1", view),
            (&["view@172.16.0.0/12"], "::ffff:172.17.0.1", view),
            (&["view@172.16.0.0/12"], "172.32.0.1", None),
            (&["edit@10.0.0.0/8", "none@10.1.0.0/16", "view@10.1.2.3"], "10.1.2.3", view),
            (&["edit@10.0.0.0/8", "none@10.1.0.0/16", "view@10.1.2.3"], "10.1.2.4", None),
            (&["edit@10.0.0.0/8", "none@10.1.0.0/16"], "10.2.0.1", edit),
            (&["view@10.0.0.0/8", "edit@10.0.0.0/8"], "10.2.0.1", edit),
            (&["view@2001:db8::/32"], "2001:db8::1", view),
            (&["edit@127.0.0.1"], "127.0.0.1", edit),
            (&["view@0.0.0.0/0", "none@::ffff:127.0.0.0/104"], "127.0.0.1", None),
            (&["view@0.0.0.0/0", "none@::ffff:127.0.0.1"], "::ffff:127.0.0.1", None),
            (&["edit@10.0.0.0/8", "none@::ffff:10.1.0.0/112"], "10.1.0.1", None),
            (&["edit", "view@0.0.0.0/0"], "127.0.0.1", edit),
        ] {
            for closed in [true, false] {
                assert_eq!(role(rules, address, closed), expected, "{rules:?} {address}");
            }
        }
        // What no rule speaks of is as without any.
        assert_eq!(role(&["view@10.0.0.0/8"], "127.0.0.1", false), view);
        assert_eq!(role(&["view@10.0.0.0/8"], "127.0.0.1", true), None);
    }

    #[test]
    fn what_is_no_rule_is_refused_with_what_would_be_one() {
        for text in [
            "",
            "admin",
            "view@",
            "view@x",
            "view@10.0.0.0/33",
            "View",
            "view@localhost",
            "none@::ffff:127.0.0.0/8",
        ] {
            let error = text.parse::<Rule>().expect_err(text).to_string();
            assert!(error.contains("view@172.16.0.0/12"), "{error}");
        }
        assert_eq!("view@10.1.2.3/8".parse::<Rule>().expect("a rule").to_string(), "view@10.0.0.0/8");
    }

    #[test]
    fn what_is_open_can_be_shown_and_what_is_dangerous_is_said() {
        assert_eq!(anonymous(&[]).in_force(false), ["view@loopback"]);
        assert_eq!(anonymous(&[]).in_force(true), Vec::<String>::new());
        assert_eq!(anonymous(&["none"]).in_force(false), Vec::<String>::new());
        assert_eq!(
            anonymous(&["view@172.16.0.0/12"]).in_force(false),
            ["view@loopback", "view@172.16.0.0/12"]
        );
        assert!(anonymous(&["view", "none"]).warnings().is_empty());
        assert!(anonymous(&["edit"]).warnings()[0].contains("host's network"));
        assert!(anonymous(&["view@172.16.0.0/12"]).warnings()[0].contains("gateway"));
    }
}
