//! json and jsonb.
