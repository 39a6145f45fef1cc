//! A problem as it is shown to people: message, file, line, and the line itself with what is meant marked.

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::problem::{Excerpt, Problem, Weight};

/// The problem in several lines without a last line break.
pub(super) fn render(problem: &Problem, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let level = match problem.weight {
        Weight::Error => Level::ERROR,
        Weight::Warning => Level::WARNING,
    };
    let title = level.primary_title(problem.message.as_str());
    let group = match (&problem.excerpt, problem.line, problem.column) {
        (Some(Excerpt { text, start, end }), Some(line), _) if !text.is_empty() => {
            let mark = AnnotationKind::Primary.span(*start..*end);
            let snippet =
                Snippet::source(text.as_str()).line_start(line).path(problem.file.as_str()).fold(false);
            title.element(snippet.annotation(mark))
        }
        (_, Some(line), Some(column)) => {
            title.element(Origin::path(problem.file.as_str()).line(line).char_column(column))
        }
        _ => title.element(Origin::path(problem.file.as_str())),
    };
    renderer.render(&[group])
}
