//! Lists, and one page of them at a time.

use schemars::JsonSchema;
use serde::Serialize;

use super::query::{Misfit, Query};
use crate::resource::API_VERSION;

/// The largest page that can be asked for.
pub(super) const MOST: u32 = 100_000;

/// A list in Kubernetes' shape.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct List<T> {
    api_version: &'static str,
    /// The kind of the items and `List`.
    kind: String,
    metadata: ListMeta,
    items: Vec<T>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    /// The revision at which the list held: of containers and events, where to go on with `watch` and `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_version: Option<String>,
    /// Give it as the parameter `continue` to get what follows; left out on the last page.
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// How many follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_item_count: Option<usize>,
}

/// Metadata of an item that is not a declared object.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemMeta {
    /// Its name, by which it can be requested.
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) creation_timestamp: Option<String>,
    /// In a watch of containers: the id by which to go on after this line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resource_version: Option<String>,
}

/// An item that is no declared object, with the metadata that every item of a list has.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Item<T> {
    pub(super) metadata: ItemMeta,
    #[serde(flatten)]
    pub(super) item: T,
}

/// Which part of a list is asked for. It starts after the name at which the part before ended, so that what comes and
/// goes meanwhile shifts nothing.
#[derive(Debug)]
pub(super) struct Page {
    limit: Option<usize>,
    /// Nothing comes before the first.
    after: Vec<u8>,
}

impl Page {
    /// What `limit` and `continue` ask for.
    pub(super) fn of(query: &Query) -> Result<Self, Misfit> {
        let limit = query.number("limit", 0..=MOST)?.filter(|limit| *limit > 0);
        let after = hex::decode(query.get("continue").unwrap_or_default()).map_err(|_| no_token())?;
        Ok(Self { limit: limit.and_then(|limit| usize::try_from(limit).ok()), after })
    }
}

/// What the token of the page before says, if one is given.
pub(super) fn token(query: &Query) -> Result<Option<String>, Misfit> {
    let Some(token) = query.get("continue").filter(|token| !token.is_empty()) else { return Ok(None) };
    let text = hex::decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Some).ok_or_else(no_token)
}

/// What was given as the token of a page is none.
pub(super) fn no_token() -> Misfit {
    Misfit::new("continue is not a token from a list; start without it")
}

impl<T> List<T> {
    /// The page that ends with `last`, if others follow.
    #[must_use]
    pub(super) fn before(mut self, last: Option<&str>) -> Self {
        self.metadata.token = last.map(hex::encode);
        self
    }

    /// All of it.
    pub(super) fn whole(kind: &str, items: Vec<T>) -> Self {
        Self { api_version: API_VERSION, kind: format!("{kind}List"), metadata: ListMeta::default(), items }
    }

    /// The same with something else made of each item: of those on the page alone.
    pub(super) fn map<U>(self, item: impl FnMut(T) -> U) -> List<U> {
        let Self { api_version, kind, metadata, items } = self;
        List { api_version, kind, metadata, items: items.into_iter().map(item).collect() }
    }

    /// The items, for what is added to those that are on the page.
    pub(super) fn items_mut(&mut self) -> &mut [T] {
        &mut self.items
    }

    #[must_use]
    pub(super) fn at(mut self, revision: impl ToString) -> Self {
        self.metadata.resource_version = Some(revision.to_string());
        self
    }

    /// The page asked for; `items` come in the order of `name`.
    pub(super) fn page(kind: &str, mut items: Vec<T>, page: &Page, name: impl Fn(&T) -> &str) -> Self {
        let Page { limit, after } = page;
        items.retain(|item| name(item).as_bytes() > after.as_slice());
        let mut metadata = ListMeta::default();
        if let Some(limit) = limit.filter(|limit| items.len() > *limit) {
            metadata.remaining_item_count = Some(items.len() - limit);
            items.truncate(limit);
            metadata.token = items.last().map(|last| hex::encode(name(last)));
        }
        Self { metadata, ..Self::whole(kind, items) }
    }
}
