//! `portreeve explain KIND[.field...]`: the documentation of the kinds, without a server; and `portreeve explain verdicts`,
//! the table that says what an answer to a probe means.

use clap::Args;

mod verdicts;

use super::face::Face;
use super::noun::{Noun, noun};
use super::table::Table;
use super::{Exit, UsageError};
use crate::resource::explain::{UnknownField, explain as meaning, fields};
use crate::resource::{API_VERSION, KindId};

/// Flags of `explain`.
#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// A kind or one of its fields, such as `autohealpolicy.spec.backoff`; `verdicts`: what each answer to a probe
    /// means; left out: all kinds
    #[arg(value_name = "KIND[.FIELD]")]
    what: Option<String>,

    /// Show all fields and their fields, with types but without descriptions
    #[arg(long, requires = "what")]
    recursive: bool,
}

/// What is no kind and is explained all the same.
const VERDICTS: &str = "verdicts";
const HINT: &str = "`portreeve explain verdicts` says what each answer to a probe means.";

/// No kind's fields are nested as deep.
const DEEPEST: usize = 16;

pub(super) fn explain(args: &ExplainArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let Some(what) = &args.what else {
        let mut table = Table::new(["KIND", "PLURAL", "SHORT", "WHAT IT IS FOR"]).whole();
        for kind in KindId::ALL {
            let row = [kind.as_str(), kind.plural(), &kind.short().join(","), kind.doc()].map(Into::into);
            table.row(row.into());
        }
        table.print(face.out, 0, face.width)?;
        let others = Noun::all().filter(|noun| !matches!(noun, Noun::Kind(_)));
        let others =
            others.map(|noun| format!("{} ({})", noun.plural(), noun.short().join(","))).collect::<Vec<_>>();
        writeln!(face.out, "\nNot declared, only shown by `portreeve get`: {}.\n{HINT}", others.join(", "))?;
        return Ok(Exit::Fine);
    };
    if what == VERDICTS {
        return verdicts::show(face);
    }
    let mut steps = what.split('.').filter(|step| !step.is_empty());
    let kind = match noun(steps.next().unwrap_or_default())? {
        Noun::Kind(kind) => kind,
        noun @ (Noun::Containers | Noun::Events | Noun::Deliveries) => {
            let plural = noun.plural();
            return Err(UsageError(format!(
                "{plural} are not declared: `portreeve get {plural} -o yaml` shows their fields"
            ))
            .into());
        }
    };
    let path: Vec<&str> = steps.collect();
    let unknown = |unknown: UnknownField| UsageError(unknown.to_string());
    if args.recursive {
        let fields = fields(kind, &path, DEEPEST).map_err(unknown)?;
        writeln!(face.out, "KIND:     {kind}\nVERSION:  {API_VERSION}\n\nFIELDS:\n{}", fields.trim_end())?;
        return Ok(Exit::Fine);
    }
    let text = meaning(kind, &path).map_err(unknown)?;
    writeln!(face.out, "{}", text.trim_end())?;
    if path.is_empty() {
        let (spec, word) = (fields(kind, &["spec"], 1).map_err(unknown)?, kind.as_str().to_lowercase());
        writeln!(face.out, "\nFIELDS OF spec:\n{}", spec.trim_end())?;
        writeln!(
            face.out,
            "\n`portreeve explain {word}.spec` describes them, `portreeve explain --recursive {word}` shows all of \
            them."
        )?;
        if matches!(kind, KindId::Probe | KindId::MonitoredService) {
            writeln!(face.out, "{HINT}")?;
        }
    }
    Ok(Exit::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::Streams;

    fn told(what: Option<&str>, recursive: bool) -> anyhow::Result<String> {
        let mut streams = Streams::default();
        explain(&ExplainArgs { what: what.map(str::to_owned), recursive }, &mut streams.face())?;
        Ok(streams.both())
    }

    fn explained(what: Option<&str>) -> anyhow::Result<String> {
        told(what, false)
    }

    #[test]
    fn all_fields_are_shown_with_their_types_and_a_kind_alone_shows_those_of_its_spec() {
        let all = told(Some("heal"), true).expect("text");
        let part = "    backoff\t<Backoff>\n      initial\t<string>\n";
        assert!(
            all.contains(part) && all.contains("  metadata\t<Metadata> -required-\n    annotations\t"),
            "{all}"
        );
        let below = told(Some("heal.spec.budget"), true).expect("text");
        assert!(below.ends_with("FIELDS:\n  per\t<string>\n  restarts\t<integer>\n"), "{below}");
        for kind in KindId::ALL {
            assert!(told(Some(kind.plural()), true).expect("text").lines().count() > 8, "{kind}");
        }
        let alone = explained(Some("heal")).expect("text");
        assert!(alone.contains("FIELDS OF spec:\n  action\t<string>\n"), "{alone}");
        assert!(alone.contains("explain autohealpolicy.spec`"), "{alone}");
    }

    #[test]
    fn what_each_answer_to_a_probe_means_is_a_table_for_people() {
        let text = explained(Some("verdicts")).expect("text");
        assert!(text.contains("57P03, 57P01, 57P02") && !text.contains("::"), "{text}");
        for what in [None, Some("probe"), Some("svc")] {
            assert!(explained(what).expect("text").contains("explain verdicts`"), "{what:?}");
        }
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
