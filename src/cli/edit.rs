//! `portreeve edit KIND NAME`: an object in an editor. Nothing that was typed is lost: what cannot be taken is shown
//! again with the reason, and what could not be sent is kept in a file.

mod draft;
mod merge;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use self::draft::DraftReading;
use super::client::{Client, ClientError, Refused, Response, ServerArgs};
use super::dry::Writing;
use super::face::Face;
use super::noun::{Noun, one};
use super::table::Tone;
use super::text::scalar;
use super::{Exit, UsageError, fail, files};
use crate::resource::ObjectKey;

/// Who is asked, in this order, which editor to use.
const VARIABLES: [&str; 3] = ["PORTREEVE_EDITOR", "VISUAL", "EDITOR"];
/// What every Unix has.
const EDITOR: &str = "vi";

/// Flags of `edit`.
#[derive(Args, Debug)]
pub(super) struct EditArgs {
    /// KIND NAME or KIND/NAME; the editor is $PORTREEVE_EDITOR, $VISUAL, $EDITOR or vi
    #[arg(required = true, num_args = 1..=2, value_name = "KIND")]
    words: Vec<String>,

    #[arg(skip)]
    pub(super) server: ServerArgs,
}

pub(super) async fn edit(args: &EditArgs, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    let (noun, name) = one(&args.words)?;
    let Noun::Kind(kind) = noun else {
        return Err(UsageError(format!("{} cannot be changed", noun.plural())).into());
    };
    let key = ObjectKey { kind, name };
    let client = args.server.client()?;
    let object = client.get(&[kind.plural(), &key.name], &[]).await?;
    if let Some(owner) = files::owner(&key, Some(&object)) {
        fail(face.err, &owner)?;
        return Ok(Exit::Problems);
    }
    let editing = Editing {
        before: draft::written(&object),
        version: scalar(&object, "/metadata/resourceVersion").unwrap_or_default(),
        file: file(&key),
        key,
        client,
    };
    let text = draft::first(&editing.key, &editing.client.server(), &editing.before)?;
    match editing.go(text, face).await {
        Ok(exit) => {
            let _ = fs::remove_file(&editing.file);
            Ok(exit)
        }
        Err(GaveUp { why, typed }) => {
            fail(face.err, &format!("{why:#}"))?;
            if typed {
                let file = editing.file.display();
                face.note(&format!(
                    "your changes are kept in {file}; `portreeve diff -f {file}` compares them"
                ))?;
            } else {
                let _ = fs::remove_file(&editing.file);
            }
            Ok(Exit::Problems)
        }
    }
}

/// An object that is being edited.
struct Editing {
    key: ObjectKey,
    client: Client,
    /// As people write it.
    before: Map<String, Value>,
    /// At which it was read.
    version: String,
    file: PathBuf,
}

/// Why it came to nothing, and whether the file holds what is nowhere else.
struct GaveUp {
    why: anyhow::Error,
    typed: bool,
}

impl Editing {
    /// Shows `text` and what becomes of it, until it is taken or given up.
    async fn go(&self, mut text: String, face: &mut Face<'_>) -> Result<Exit, GaveUp> {
        let (mut typed, mut refused) = (false, String::new());
        loop {
            let left = match self.look(&text).await {
                Ok(left) => left,
                Err(why) => {
                    let changed = fs::read_to_string(&self.file).is_ok_and(|now| now != text);
                    return Err(GaveUp { why, typed: typed || changed });
                }
            };
            if left == text && typed {
                let why = anyhow::anyhow!("edit cancelled, no valid changes were made\n{refused}");
                return Err(GaveUp { why, typed });
            }
            typed = true;
            let gave_up = |why: anyhow::Error| GaveUp { why, typed };
            let wrong = match draft::read(&self.key, &self.file_name(), &left) {
                DraftReading::Blank => return cancelled("the saved file was empty", face).map_err(gave_up),
                DraftReading::Wrong(wrong) => wrong,
                DraftReading::Object(after) => match merge::patch(&self.before, &after) {
                    None => return cancelled("no changes made", face).map_err(gave_up),
                    Some(patch) => match self.send(&patch).await {
                        Ok(answer) => return self.told(&answer, face).map_err(gave_up),
                        Err(ClientError::Refused(refused)) if is_fault(&refused) => {
                            format!("error: {refused}")
                        }
                        Err(error) => return Err(gave_up(error.into())),
                    },
                },
            };
            // A script that writes the same again and again would be asked for ever.
            if wrong == std::mem::replace(&mut refused, wrong.clone()) {
                return Err(gave_up(anyhow::anyhow!("edit cancelled, the same problem remains\n{wrong}")));
            }
            text = draft::again(&wrong, &left);
        }
    }

    /// What `text` has become in the editor.
    async fn look(&self, text: &str) -> anyhow::Result<String> {
        let at = || self.file.display().to_string();
        write(&self.file, text).with_context(|| format!("cannot write {}", at()))?;
        run(&self.file).await?;
        fs::read_to_string(&self.file).with_context(|| format!("cannot read {}", at()))
    }

    fn file_name(&self) -> String {
        self.file.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Only what was changed, and only if nobody else changed the object meanwhile.
    async fn send(&self, patch: &Value) -> Result<Response, ClientError> {
        self.client.patch(&[self.key.kind.plural(), &self.key.name], patch, &self.version).await
    }

    fn told(&self, answer: &Response, face: &mut Face<'_>) -> anyhow::Result<Exit> {
        let same = scalar(&answer.body, "/metadata/resourceVersion").as_deref() == Some(&self.version);
        let word = if same { ("unchanged", Tone::Dim) } else { ("edited", Tone::Odd) };
        Writing::default().say(&self.key, word, face)?;
        for warning in &answer.warnings {
            face.warn(&format!("{}: {warning}", self.key))?;
        }
        Ok(Exit::Fine)
    }
}

fn cancelled(why: &str, face: &mut Face<'_>) -> anyhow::Result<Exit> {
    writeln!(face.err, "Edit cancelled, {why}")?;
    Ok(Exit::Fine)
}

/// Whether the document is what is wrong, so that another one may do.
const fn is_fault(refused: &Refused) -> bool {
    matches!(refused.code, 400 | 422)
}

/// A file that nobody has yet; its ending tells editors what is in it.
fn file(key: &ObjectKey) -> PathBuf {
    let (_, random) = uuid::Uuid::now_v7().as_u64_pair();
    let name = format!(
        "portreeve-edit-{}-{}-{:08x}.yaml",
        key.kind.plural(),
        key.name,
        random & u64::from(u32::MAX)
    );
    std::env::temp_dir().join(name)
}

/// Readable by nobody else, and never through a link that somebody laid.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).truncate(true).mode(0o600);
    let mut file = options.create_new(!file.exists()).open(file)?;
    file.write_all(text.as_bytes())
}

/// Opens the editor on `file` and waits until it is left.
async fn run(file: &Path) -> anyhow::Result<()> {
    let given = VARIABLES.into_iter().filter_map(|name| std::env::var(name).ok());
    let given = given.map(|editor| editor.trim().to_owned()).find(|editor| !editor.is_empty());
    let editor = given.as_deref().unwrap_or(EDITOR);
    // Ctrl-C is the editor's business as long as it runs, and must not end us below it.
    let _interrupt = signal(SignalKind::interrupt())?;
    let _quit = signal(SignalKind::quit())?;
    // By a shell, as git does: an editor may be given with arguments. It, too, leaves Ctrl-C to the editor and waits.
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("trap : INT QUIT; {editor} \"$1\""))
        .arg("sh")
        .arg(file)
        .status()
        .await;
    let status = status.context("cannot start a shell for the editor")?;
    match status.code() {
        Some(0) => Ok(()),
        Some(127) => Err(anyhow::anyhow!(
            "there is no editor `{editor}`: set {} to one, such as `nano` or `code --wait`",
            VARIABLES.join(", ")
        )),
        Some(code) => {
            Err(anyhow::anyhow!("the editor `{editor}` ended with exit code {code}; nothing was changed"))
        }
        None => Err(anyhow::anyhow!("the editor `{editor}` was killed; nothing was changed")),
    }
}
