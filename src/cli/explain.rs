//! `portreeve explain KIND[.field...]`: the documentation of the kinds, without a server.

use clap::Args;

use super::face::Face;
use super::noun::{Noun, noun};
use super::table::Table;
use super::{Exit, UsageError};
use crate::resource::KindId;
use crate::resource::explain::explain as meaning;

/// Flags of `explain`.
#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// A kind and perhaps the way to one of its fields, such as `autohealpolicy.spec.backoff`; left out: all kinds
    #[arg(value_name = "KIND[.FIELD]")]
    what: Option<String>,
}

pub(super) fn explain(args: &ExplainArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let Some(what) = &args.what else {
        let mut table = Table::new(["KIND", "PLURAL", "SHORT", "WHAT IT IS FOR"]);
        for kind in KindId::ALL {
            let row = [kind.as_str(), kind.plural(), &kind.short().join(","), kind.doc()].map(Into::into);
            table.row(row.into());
        }
        table.print(face.out, 0, face.width)?;
        return Ok(Exit::Fine);
    };
    let mut steps = what.split('.').filter(|step| !step.is_empty());
    let kind = match noun(steps.next().unwrap_or_default())? {
        Noun::Kind(kind) => kind,
        noun @ (Noun::Containers | Noun::Events | Noun::Deliveries) => {
            let plural = noun.plural();
            return Err(UsageError(format!(
                "{plural} are not declared: `portreeve get {plural} -o yaml` shows what they hold"
            ))
            .into());
        }
    };
    let path: Vec<&str> = steps.collect();
    let text = meaning(kind, &path).map_err(|unknown| UsageError(unknown.to_string()))?;
    writeln!(face.out, "{}", text.trim_end())?;
    Ok(Exit::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::Streams;

    fn explained(what: Option<&str>) -> anyhow::Result<String> {
        let mut streams = Streams::default();
        explain(&ExplainArgs { what: what.map(str::to_owned) }, &mut streams.face())?;
        Ok(streams.both())
    }

    #[test]
    fn a_field_is_found_below_any_name_of_its_kind() {
        let text = explained(Some("heal.spec.backoff.initial")).expect("text");
        assert!(text.contains("The wait after the first restart."), "{text}");
        assert_eq!(text, explained(Some("AutohealPolicy.spec.backoff.initial")).expect("text"));
        assert!(explained(None).expect("text").contains("autohealpolicies"));
    }

    #[test]
    fn a_mistyped_kind_or_field_is_answered_with_the_right_one() {
        let said = |what: &str| explained(Some(what)).expect_err(what).to_string();
        assert!(said("autohealpolcy").contains("did you mean `AutohealPolicy`?"));
        assert!(said("heal.spec.bakoff").contains("did you mean `backoff`?"));
        assert!(said("containers").contains("get containers -o yaml"));
    }
}
