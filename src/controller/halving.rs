//! Finding what a database refuses among what it is given together.
//!
//! # Guarantees
//! - What is refused takes nothing else with it: a batch that is refused is halved until the culprits are alone.
//! - A database that fails refuses nothing: what is left then has failed, and may be given again.
//! - The order stays: of two items of a batch the first is attempted first.

use std::sync::Arc;

/// Attempts `items` together, and what is refused in halves; gives what came of each, in their order. `attempt` makes all of
/// what it is given, or nothing, and gives it back with an answer for each; `refused` says whether an error is about that, and
/// not about the database.
pub(super) async fn halved<T, R, E, F>(
    items: Vec<T>,
    refused: impl Fn(&E) -> bool,
    mut attempt: impl FnMut(Vec<T>) -> F,
) -> Vec<(T, Result<R, Arc<E>>)>
where
    F: Future<Output = (Vec<T>, Result<Vec<R>, E>)>,
{
    let mut done = Vec::with_capacity(items.len());
    let mut parts = vec![items];
    while let Some(part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        let (mut part, result) = attempt(part).await;
        match result {
            Ok(answers) => done.extend(part.into_iter().zip(answers.into_iter().map(Ok))),
            Err(error) if !refused(&error) => {
                let error = Arc::new(error);
                let rest = parts.into_iter().rev().flatten();
                done.extend(part.into_iter().chain(rest).map(|item| (item, Err(error.clone()))));
                break;
            }
            Err(error) if part.len() == 1 => {
                let error = Arc::new(error);
                done.extend(part.into_iter().map(|item| (item, Err(error.clone()))));
            }
            Err(_) => {
                let second = part.split_off(part.len() / 2);
                parts.extend([second, part]);
            }
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Fault {
        Refused,
        Failed,
    }

    /// What came of each item, by its place.
    type Came = Vec<(usize, Result<(), Fault>)>;

    /// What a database makes of batches: some items it refuses, and after so many attempts it fails. What came of each, which are
    /// stored, and how many attempts there were.
    fn attempt(items: &[bool], fails_after: usize) -> (Came, Vec<usize>, usize) {
        let (mut stored, mut attempts) = (Vec::new(), 0);
        let numbered: Vec<_> = items.iter().copied().enumerate().collect();
        let came = futures_util::FutureExt::now_or_never(halved(
            numbered,
            |fault| *fault == Fault::Refused,
            |part: Vec<(usize, bool)>| {
                attempts += 1;
                let result = if attempts > fails_after {
                    Err(Fault::Failed)
                } else if part.iter().any(|(_, poison)| *poison) {
                    Err(Fault::Refused)
                } else {
                    stored.extend(part.iter().map(|(place, _)| *place));
                    Ok(vec![(); part.len()])
                };
                std::future::ready((part, result))
            },
        ));
        let came = came.expect("it waits for nothing");
        let came = came.into_iter().map(|((place, _), result)| (place, result.map_err(|fault| *fault)));
        (came.collect(), stored, attempts)
    }

    proptest! {
        #[test]
        fn what_is_refused_takes_nothing_else_with_it(items in prop::collection::vec(prop::bool::weighted(0.1), 0..300)) {
            let (came, stored, attempts) = attempt(&items, usize::MAX);
            let expected = items.iter().enumerate().map(|(place, poison)| (place, if *poison { Err(Fault::Refused) } else { Ok(()) }));
            prop_assert_eq!(came, expected.collect::<Vec<_>>());
            let good = items.iter().enumerate().filter(|(_, poison)| !**poison).map(|(place, _)| place);
            prop_assert_eq!(stored, good.collect::<Vec<_>>(), "each once, in its order");
            let culprits = items.iter().filter(|poison| **poison).count();
            prop_assert!(attempts <= 1 + culprits * 2 * 9, "{} attempts for {} culprits", attempts, culprits);
        }

        #[test]
        fn a_database_that_fails_loses_none(
            items in prop::collection::vec(prop::bool::weighted(0.1), 1..300),
            fails_after in 0_usize..40,
        ) {
            let (came, stored, _) = attempt(&items, fails_after);
            prop_assert_eq!(came.iter().map(|(place, _)| *place).collect::<Vec<_>>(), (0..items.len()).collect::<Vec<_>>());
            let told: Vec<_> = came.iter().filter(|(_, result)| result.is_ok()).map(|(place, _)| *place).collect();
            prop_assert_eq!(told, stored, "what is said to be stored is, and nothing else");
            for (place, result) in came {
                prop_assert!(result != Err(Fault::Refused) || items[place], "only a culprit is refused");
            }
        }
    }
}
