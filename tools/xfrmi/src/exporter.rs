// SPDX-License-Identifier: GPL-2.0

//! `xfrmi exporter`: counters for Prometheus.

mod metrics;

use std::{
    collections::HashSet,
    convert::Infallible,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::{net::TcpListener, time::MissedTickBehavior};

use crate::{
    cli::{Exporter, Global},
    drops::watcher::Watcher,
    ike,
};
use metrics::{Metrics, Readings};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What was before that, for those who do not ask for it.
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";
/// For how long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// The command.
pub fn run(global: &Global, options: &Exporter) -> Result<ExitCode> {
    if !(0.1..=3600.0).contains(&options.interval) {
        bail!("an interval is of 0.1 to 3600 seconds");
    }
    let watcher = Watcher::new()
        .inspect_err(|error| eprintln!("xfrmi exporter: drops are not counted: {error:#}"));
    let readings = Arc::new(Mutex::new(Readings::new(options.max_tenants, watcher.ok())));
    // What is wrong is said now, rather than when nobody looks.
    read(&readings, global)?;
    let mut registry = Registry::with_prefix("xfrmi");
    registry.register_collector(Box::new(Metrics(readings.clone())));
    let registry = Arc::new(registry);
    ike::runtime()?.block_on(async {
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("it can't listen on {}", options.listen))?;
        eprintln!("listening on http://{}/metrics", listener.local_addr()?);
        let mut ticks = tokio::time::interval(Duration::from_secs_f64(options.interval));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    // What vici answers takes a runtime of its own.
                    let (readings, global) = (readings.clone(), global.clone());
                    let reading = tokio::task::spawn_blocking(move || read(&readings, &global));
                    if let Err(error) = reading.await? {
                        eprintln!("xfrmi exporter: {error:#}");
                    }
                }
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    let registry = registry.clone();
                    let service = service_fn(move |request| answer(registry.clone(), request));
                    tokio::spawn(
                        http1::Builder::new()
                            .timer(TokioTimer::new())
                            .header_read_timeout(PATIENCE)
                            .serve_connection(TokioIo::new(stream), service),
                    );
                }
            }
        }
    })
}

fn read(readings: &Mutex<Readings>, global: &Global) -> Result<()> {
    let snapshot = crate::connections::Snapshot::load(&global.vici)?;
    readings
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .update(&snapshot);
    Ok(())
}

async fn answer(
    registry: Arc<Registry>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let openmetrics = request
        .headers()
        .get(ACCEPT)
        .and_then(|accepted| accepted.to_str().ok())
        .is_some_and(|accepted| accepted.contains("application/openmetrics-text"));
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => {
            let mut text = String::new();
            match encode(&mut text, &registry) {
                Ok(()) if openmetrics => (StatusCode::OK, text),
                Ok(()) => (StatusCode::OK, plain(&text)),
                Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            }
        }
        (&Method::GET, _) => (StatusCode::NOT_FOUND, "/metrics is what there is\n".into()),
        _ => (
            StatusCode::METHOD_NOT_ALLOWED,
            "GET /metrics is what there is\n".into(),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    if status == StatusCode::OK {
        let kind = if openmetrics { OPENMETRICS } else { PLAIN };
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    Ok(response)
}

/// The same in the older format, in which a counter is called as its samples are, and which knows
/// neither units nor an end.
fn plain(text: &str) -> String {
    let counters: HashSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut plain = String::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("UNIT" | "EOF"), ..) => continue,
            (Some("#"), Some(what), Some(name), Some(rest)) if counters.contains(name) => {
                plain += &format!("# {what} {name}_total {rest}");
            }
            _ => plain += line,
        }
        plain.push('\n');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn older_format() {
        let new = "# HELP a_bytes Bytes of it.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\n\
                   a_bytes_total{b=\"c d\"} 5\n# HELP e States.\n# TYPE e gauge\ne 6\n# EOF\n";
        let old = "# HELP a_bytes_total Bytes of it.\n# TYPE a_bytes_total counter\n\
                   a_bytes_total{b=\"c d\"} 5\n# HELP e States.\n# TYPE e gauge\ne 6\n";
        assert_eq!(plain(new), old);
    }
}
