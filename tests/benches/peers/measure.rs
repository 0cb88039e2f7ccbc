//! Measures rows in turn, and compares them round by round.

use std::time::Instant;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use tokio::runtime::Runtime;
use tower::{Service, ServiceExt};

use crate::SESSIONS;

/// The number of requests in a round.
const REQUESTS: usize = 20_000;

/// A service to measure, and the cookie headers of its sessions.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) router: axum::Router,
    pub(crate) cookies: Vec<String>,
}

/// The measurements of a row: nanoseconds per request for each round.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) nanos: Vec<f64>,
    pub(crate) allocations: u64,
}

impl Measured {
    /// Returns the difference to another row, round by round.
    pub(crate) fn over(&self, other: &Self) -> Vec<f64> {
        self.nanos.iter().zip(&other.nanos).map(|(mine, theirs)| mine - theirs).collect()
    }
}

pub(crate) fn in_turn(runtime: &Runtime, rows: &mut [Row], rounds: usize) -> Vec<Measured> {
    let mut measured: Vec<Measured> = rows
        .iter_mut()
        .map(|row| {
            // Warms the caches: each session is requested once.
            runtime.block_on(round(row, 0, SESSIONS));
            let allocations = allocations(runtime, row);
            Measured { name: row.name, nanos: Vec::new(), allocations }
        })
        .collect();
    for number in 0..rounds {
        for (row, measured) in rows.iter_mut().zip(&mut measured) {
            let started = Instant::now();
            runtime.block_on(round(row, number + 1, REQUESTS));
            measured.nanos.push(started.elapsed().as_nanos() as f64 / REQUESTS as f64);
        }
    }
    measured
}

/// Sends requests, spread over the sessions by the same generator for every row; with the seed zero,
/// to each session in turn.
async fn round(row: &mut Row, seed: usize, count: usize) {
    requests(&mut row.router, &row.cookies, seed, count).await;
}

pub(crate) async fn requests(
    router: &mut axum::Router,
    cookies: &[String],
    seed: usize,
    count: usize,
) {
    let mut state = seed as u64 ^ 0x9E37_79B9_7F4A_7C15;
    for number in 0..count {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let session = if seed == 0 { number } else { (state >> 33) as usize } % cookies.len();
        let response = send(router, request(&cookies[session])).await;
        assert_eq!(response.status(), StatusCode::OK);
    }
}

pub(crate) async fn send(router: &mut axum::Router, request: Request<Body>) -> Response<Body> {
    let ready = ServiceExt::<Request<Body>>::ready(router).await;
    ready.unwrap().call(request).await.unwrap()
}

fn request(cookies: &str) -> Request<Body> {
    Request::get("/").header("cookie", cookies).body(Body::empty()).unwrap()
}

/// Returns the allocations of one request, including those of the request itself: the minimum of
/// several measurements.
fn allocations(runtime: &Runtime, row: &mut Row) -> u64 {
    let count = |row: &mut Row| {
        let request = request(&row.cookies[7]);
        let counted = allocation_counter::measure(|| {
            let response = runtime.block_on(row.router.call(request)).unwrap();
            assert_eq!(response.status(), StatusCode::OK);
        });
        counted.count_total
    };
    (0..5).map(|_| count(row)).min().unwrap()
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns the median of the ratios of all rounds.
pub(crate) fn ratio(one: &[f64], other: &[f64]) -> f64 {
    let ratios: Vec<f64> = one.iter().zip(other).map(|(one, other)| one / other).collect();
    median(&ratios)
}
