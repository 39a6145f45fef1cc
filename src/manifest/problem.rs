//! What is wrong with a file, where, and how that is shown.

use std::fmt;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use crate::terminal::line;

/// A place in a file, with the line that stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Path of the file, as it was named or found.
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    pub(super) excerpt: Excerpt,
}

/// The line of a place, cut to what can be shown and free of secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Excerpt {
    pub(super) text: String,
    /// Bytes of `text` that are meant.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// How much a problem matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Weight {
    /// What was declared is not taken.
    #[default]
    Error,
    /// It is taken, and most likely not what was meant.
    Warning,
}

/// Something wrong with what was declared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Problem {
    /// Path of the file, as it was named or found.
    pub file: String,
    /// Line, counted from 1; `None` when the file as a whole is meant.
    pub line: Option<usize>,
    /// Column in characters, counted from 1.
    pub column: Option<usize>,
    /// What is wrong, in one line.
    pub message: String,
    /// How much it matters.
    pub weight: Weight,
    /// The same with the line shown, in plain text, several lines without a last line break.
    pub rendered: String,
    pub(super) excerpt: Option<Excerpt>,
}

impl Place {
    /// A problem at this place.
    pub fn problem(&self, message: &str) -> Problem {
        self.weighed(message, Weight::Error)
    }

    /// A warning at this place.
    pub fn warning(&self, message: &str) -> Problem {
        self.weighed(message, Weight::Warning)
    }

    fn weighed(&self, message: &str, weight: Weight) -> Problem {
        Problem {
            file: self.file.clone(),
            line: Some(self.line),
            column: Some(self.column),
            message: message.to_owned(),
            weight,
            rendered: String::new(),
            excerpt: Some(self.excerpt.clone()),
        }
        .rendered()
    }
}

impl Problem {
    /// A problem with a file or directory as a whole.
    pub fn whole(file: &str, message: &str) -> Self {
        Self::weighed(file, message, Weight::Error)
    }

    /// A warning about a file or directory as a whole.
    pub fn whole_warning(file: &str, message: &str) -> Self {
        Self::weighed(file, message, Weight::Warning)
    }

    /// The same as a warning.
    #[must_use]
    pub fn softened(self) -> Self {
        Self { weight: Weight::Warning, ..self }.rendered()
    }

    fn weighed(file: &str, message: &str, weight: Weight) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            column: None,
            message: message.to_owned(),
            weight,
            rendered: String::new(),
            excerpt: None,
        }
        .rendered()
    }

    /// The same as `rendered`, in colour.
    pub fn coloured(&self) -> String {
        render(self, true)
    }

    fn rendered(mut self) -> Self {
        self.rendered = render(&self, false);
        self
    }
}

/// The problem in several lines without a last line break.
fn render(problem: &Problem, colour: bool) -> String {
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

/// `file:line:column: message`, one line.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}
