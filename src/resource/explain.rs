//! What a kind and its fields mean, as text, from the generated schemas.
