//! `Up 5 minutes` as bounds. A container in another's network namespace has no endpoint whose id would change with a
//! restart, so the coarse uptime of the list is all that tells of one that was missed.

/// The least and the most seconds that a list's `Status` can mean; `None` when it is not up.
///
/// The engine prints (go-units `HumanDuration`): `Less than a second`, `N seconds`, `About a minute`, `N minutes`,
/// `About an hour`, `N hours`, `N days`, `N weeks`, `N months`, `N years`.
pub(super) fn bounds(status: &str) -> Option<(u64, u64)> {
    let text = status.strip_prefix("Up ")?;
    let text = text.split(" (").next().unwrap_or(text);
    match text {
        "Less than a second" => return Some((0, 1)),
        "About a minute" => return Some((60, 120)),
        "About an hour" => return Some((46 * 60, 90 * 60 + 3600)),
        _ => {}
    }
    let (number, unit) = text.split_once(' ')?;
    let number: u64 = number.parse().ok()?;
    let (size, slack) = match unit.trim_end_matches('s') {
        "second" => (1, 1),
        "minute" => (60, 60),
        "hour" => (3600, 3600),
        "day" => (86_400, 86_400),
        "week" => (7 * 86_400, 7 * 86_400),
        "month" => (30 * 86_400, 31 * 86_400),
        "year" => (365 * 86_400, 366 * 86_400),
        _ => return None,
    };
    Some((
        number.saturating_mul(size).saturating_sub(slack),
        number.saturating_mul(size).saturating_add(slack),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_the_engine_prints_is_understood() {
        for (status, expected) in [
            ("Up Less than a second", Some((0, 1))),
            ("Up 5 seconds", Some((4, 6))),
            ("Up About a minute", Some((60, 120))),
            ("Up 5 minutes (healthy)", Some((240, 360))),
            ("Up 3 days (Paused)", Some((172_800, 345_600))),
            ("Exited (0) 5 minutes ago", None),
            ("Up for ages", None),
        ] {
            assert_eq!(bounds(status), expected, "{status}");
        }
    }
}
