//! Name resolution and typing: from the abstract syntax to logical plans.
