//! Vacuum's pace: it sleeps after so much work, to spare others (PostgreSQL: vacuum_delay_point).

use crate::context::SessionContext;
use quarry_common::Result;
use quarry_common::settings::Settings;
use quarry_functions::SessionEnv;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Counts cost and sleeps when the limit is reached.
pub struct Pace {
    session: Option<Arc<SessionContext>>,
    delay: Duration,
    limit: i64,
    page_cost: i64,
    spent: AtomicI64,
}

impl Pace {
    /// VACUUM's: `vacuum_cost_delay`, and the session's cancel.
    pub fn of_session(cx: &Arc<SessionContext>) -> Pace {
        let settings = cx.settings();
        let pace =
            Pace::new(&settings, settings.real("vacuum_cost_delay"), settings.int("vacuum_cost_limit"));
        Pace { session: Some(cx.clone()), ..pace }
    }

    /// Autovacuum's, whose own settings go before VACUUM's.
    pub fn of_autovacuum(settings: &Settings) -> Pace {
        let or = |own: f64, shared: f64| if own < 0.0 { shared } else { own };
        let delay = or(settings.real("autovacuum_vacuum_cost_delay"), settings.real("vacuum_cost_delay"));
        let limit = match settings.int("autovacuum_vacuum_cost_limit") {
            n if n <= 0 => settings.int("vacuum_cost_limit"),
            n => n,
        };
        Pace::new(settings, delay, limit)
    }

    /// Which pages come from disk isn't known here, so each is charged as one that does, and as one that becomes dirty.
    fn new(settings: &Settings, delay_ms: f64, limit: i64) -> Pace {
        let costs = ["vacuum_cost_page_hit", "vacuum_cost_page_miss", "vacuum_cost_page_dirty"];
        let page_cost = costs.iter().map(|c| settings.int(c)).sum();
        Pace {
            session: None,
            delay: Duration::from_secs_f64((delay_ms / 1000.0).max(0.0)),
            limit,
            page_cost,
            spent: AtomicI64::new(0),
        }
    }

    /// Before each page.
    pub fn step(&self) -> Result<()> {
        if let Some(cx) = &self.session {
            cx.check_cancelled()?;
        }
        if self.delay.is_zero() {
            return Ok(());
        }
        // Relaxed: one thread counts.
        if self.spent.fetch_add(self.page_cost, Ordering::Relaxed) + self.page_cost >= self.limit {
            self.spent.store(0, Ordering::Relaxed);
            quarry_common::wait::blocking(|| std::thread::sleep(self.delay));
        }
        Ok(())
    }
}
