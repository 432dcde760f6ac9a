//! The functions of date and time types and of json, jsonb.

use super::TypeFunctions;
use super::functions::UNSUPPORTED;

pub(super) const DATE: TypeFunctions = UNSUPPORTED;
pub(super) const TIME: TypeFunctions = UNSUPPORTED;
pub(super) const TIMETZ: TypeFunctions = UNSUPPORTED;
pub(super) const TIMESTAMP: TypeFunctions = UNSUPPORTED;
pub(super) const TIMESTAMPTZ: TypeFunctions = UNSUPPORTED;
pub(super) const INTERVAL: TypeFunctions = UNSUPPORTED;
pub(super) const JSON: TypeFunctions = UNSUPPORTED;
pub(super) const JSONB: TypeFunctions = UNSUPPORTED;
