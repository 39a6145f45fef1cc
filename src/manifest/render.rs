//! A problem as it is shown to people: message, file, line, and the line itself with what is meant marked.

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::problem::{Excerpt, Problem, Weight};
use crate::terminal::line;

/// The problem in several lines without a last line break.
pub(super) fn render(problem: &Problem, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let level = match problem.weight {
        Weight::Error => Level::ERROR,
        Weight::Warning => Level::WARNING,
    };
    let (message, file) = (line(&problem.message), line(&problem.file));
    let title = level.primary_title(message);
    let group = match (&problem.excerpt, problem.line, problem.column) {
        (Some(Excerpt { text, start, end }), Some(number), _) if !text.is_empty() => {
            let mark = AnnotationKind::Primary.span(*start..*end);
            let snippet = Snippet::source(text.as_str()).line_start(number).path(file).fold(false);
            title.element(snippet.annotation(mark))
        }
        (_, Some(number), Some(column)) => title.element(Origin::path(file).line(number).char_column(column)),
        _ => title.element(Origin::path(file)),
    };
    renderer.render(&[group])
}
