//! COPY FROM STDIN: data messages while a command waits for them.

use super::*;
use crate::statements::{self, Meter};
use quarry_common::wait;

/// Data whose reading takes about as long as some hundred short statements.
const LONG_BYTES: usize = 64 << 10;

impl Session {
    pub(super) fn copy_message(&mut self, request: &Request<'_>, out: &mut BytesMut) -> Step {
        let Work::CopyIn(mut c) = std::mem::replace(&mut self.work, Work::None) else { return Step::Ready };
        let meter = self.digest().statements.then(Meter::start);
        let result = match request {
            Request::CopyData(data) => {
                let check = || self.check_cancelled();
                // A long piece takes milliseconds, which the worker's other connections needn't wait for.
                let fed = match data.len() < LONG_BYTES {
                    true => c.copy.feed(data),
                    false => wait::blocking(|| c.copy.feed(data)),
                };
                let fed = fed.and_then(|()| check().map_err(|e| c.copy.at_last_line(e, data)));
                match fed {
                    Ok(()) => {
                        if let Some(meter) = meter {
                            meter.stop(&mut c.portal.spent);
                        }
                        self.work = Work::CopyIn(c);
                        return Step::Ready;
                    }
                    Err(e) => Err(e),
                }
            }
            Request::CopyDone => c.copy.finish(),
            Request::CopyFail(reason) => Err(err!(QUERY_CANCELED, "COPY from stdin failed: {reason}")),
            // libpq may have these under way when COPY begins; they mean nothing here.
            Request::Flush | Request::Sync => {
                self.work = Work::CopyIn(c);
                return Step::Ready;
            }
            Request::Terminate => return Step::Closed,
            _ => Err(err!(PROTOCOL_VIOLATION, "unexpected message type during COPY from stdin")),
        };
        if let (Some(meter), Ok(tag)) = (meter, &result) {
            meter.stop(&mut c.portal.spent);
            statements::record(&self.cx, &mut c.portal, tag);
        }
        self.send_notices(out);
        match (result, c.then) {
            (Ok(tag), AfterCopy::Simple(s)) => {
                self.after_statement();
                match self.finish_simple_statement(s, tag.into(), out) {
                    Some(step) => step,
                    None => self.drive(out),
                }
            }
            (Ok(tag), AfterCopy::Extended) => {
                self.after_statement();
                Tag::from(tag).send(out);
                Step::Ready
            }
            (Err(e), AfterCopy::Simple(_)) => self.fail_simple(e, out),
            (Err(e), AfterCopy::Extended) => self.fail_extended(e, out),
        }
    }

    pub(super) fn check_cancelled(&self) -> Result<()> {
        if self.cx.signals.is_cancelled() { Err(self.cx.cancel_error()) } else { Ok(()) }
    }
}
