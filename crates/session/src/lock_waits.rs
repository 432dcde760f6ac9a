//! Long waits for locks as the server's log has them (`log_lock_waits`; PostgreSQL: ProcSleep in proc.c), and names for errors of waits.

use crate::context::{SessionContext, notice_threshold};
use crate::signals::{Backend, CancelReason};
use quarry_common::{Error, Oid, Severity, SqlState};
use quarry_storage::RelId;
use quarry_storage::lock::{WaitNews, WaitObserver, WaitReport};
use std::sync::Weak;

/// A session as the waits of its transactions know it.
pub struct LockWaits(Weak<SessionContext>);

impl LockWaits {
    pub fn new(cx: Weak<SessionContext>) -> LockWaits {
        LockWaits(cx)
    }
}

impl WaitObserver for LockWaits {
    fn wants_reports(&self) -> bool {
        self.0.upgrade().is_some_and(|cx| cx.settings().bool("log_lock_waits"))
    }

    fn report(&self, report: WaitReport) {
        let Some(cx) = self.0.upgrade() else { return };
        let (message, detail) = lines(cx.signals.pid, &report);
        let mut e = Error::new(SqlState::SUCCESSFUL_COMPLETION, message).severity(Severity::Log);
        if report.news != WaitNews::Acquired {
            e = e.detail_log(detail);
        }
        if let Some(position) = report.position {
            e = e.position(position);
        }
        if let Some(context) = report.context {
            e = e.context(context);
        }
        let statement = cx.signals.activity.lock().query.clone();
        let position = report.position.map(|p| crate::session::character_number(&statement, p));
        cx.log_error(&e, position, Some(&statement));
        if Severity::Log >= notice_threshold(cx.settings().text("client_min_messages")) {
            cx.tell(e);
        }
    }

    /// Autovacuum makes way for whoever waits for its table (PostgreSQL: DS_BLOCKED_BY_AUTOVACUUM).
    fn blocked_by(&self, pids: &[i32]) {
        let Some(cx) = self.0.upgrade() else { return };
        for target in pids.iter().filter_map(|pid| cx.instance.sessions().get(*pid)) {
            if target.activity.lock().backend == Backend::AutovacuumWorker {
                tracing::debug!("sending cancel to blocking autovacuum PID {}", target.pid);
                target.cancel(CancelReason::UserRequest);
            }
        }
    }

    fn relation(&self, rel: RelId) -> Option<(Oid, String)> {
        let reader = self.0.upgrade()?.reader().ok()?;
        let mut known = reader.relations_by_filenode().ok()?;
        known.remove(&rel.rel).map(|r| (r.oid, r.name))
    }

    fn activity_of(&self, pid: i32) -> String {
        let found = self.0.upgrade().and_then(|cx| cx.instance.sessions().get(pid));
        match found.map(|s| s.activity.lock().query.clone()) {
            Some(query) if !query.is_empty() => query.to_string(),
            Some(_) => "<command string not enabled>".into(),
            None => "<backend information not available>".into(),
        }
    }
}

/// Message and detail.
fn lines(pid: i32, r: &WaitReport) -> (String, String) {
    let what = match r.news {
        WaitNews::StillWaiting => "still waiting for",
        WaitNews::Acquired => "acquired",
        WaitNews::AvoidedDeadlock => "avoided deadlock for",
        WaitNews::DetectedDeadlock => "detected deadlock while waiting for",
    };
    let rearranged = if r.news == WaitNews::AvoidedDeadlock { " by rearranging queue order" } else { "" };
    let (ms, us) = (r.waited.as_millis(), r.waited.subsec_micros() % 1000);
    let (mode, target) = (r.mode.name(), &r.target);
    let message = format!("process {pid} {what} {mode} on {target}{rearranged} after {ms}.{us:03} ms");
    let list = |pids: &[i32]| pids.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
    let holding = if r.holders.len() == 1 { "Process" } else { "Processes" };
    let detail = format!("{holding} holding the lock: {}. Wait queue: {}.", list(&r.holders), list(&r.queue));
    (message, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_storage::LockMode;
    use std::time::Duration;

    #[test]
    fn lines_are_postgresqls() {
        let mut report = WaitReport {
            news: WaitNews::StillWaiting,
            mode: LockMode::Share,
            target: "transaction 745".into(),
            waited: Duration::from_micros(1_000_042),
            holders: vec![120],
            queue: vec![123, 7],
            context: None,
            position: None,
        };
        let (message, detail) = lines(123, &report);
        assert_eq!(message, "process 123 still waiting for ShareLock on transaction 745 after 1000.042 ms");
        assert_eq!(detail, "Process holding the lock: 120. Wait queue: 123, 7.");
        report.holders = vec![];
        report.news = WaitNews::AvoidedDeadlock;
        let (message, detail) = lines(123, &report);
        let expected = "process 123 avoided deadlock for ShareLock on transaction 745 by rearranging queue order after 1000.042 ms";
        assert_eq!(message, expected);
        assert_eq!(detail, "Processes holding the lock: . Wait queue: 123, 7.");
    }
}
