//! Both sides of the perf protocol, and what is measured with it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::{Stream, StreamProtocol, core::upgrade::Version};
use serde_json::json;

use crate::{
    Target,
    host::{Setup, connect_with, patiently},
    listen::CHUNK,
    probes::Pinger,
    streams::Opener,
};

pub const PERF: StreamProtocol = StreamProtocol::new("/perf/1.0.0");

/// What perf sends: making up data would be part of the measured time.
static ZEROS: [u8; CHUNK] = [0; CHUNK];

async fn send_zeros(stream: &mut Stream, mut bytes: u64) -> Result<()> {
    while bytes > 0 {
        let n = bytes.min(CHUNK as u64);
        stream.write_all(&ZEROS[..n as usize]).await?;
        bytes -= n;
    }
    Ok(())
}

async fn drain(stream: &mut Stream, chunk: &mut [u8]) -> Result<u64> {
    let mut total = 0;
    loop {
        match stream.read(chunk).await? {
            0 => return Ok(total),
            n => total += n as u64,
        }
    }
}

pub async fn answer(mut stream: Stream) -> Result<()> {
    let mut header = [0; 8];
    stream.read_exact(&mut header).await?;
    drain(&mut stream, &mut vec![0; CHUNK]).await?;
    send_zeros(&mut stream, u64::from_be_bytes(header)).await?;
    Ok(stream.close().await?)
}

/// Runs one perf stream and says how long it took from before it was opened until the last byte of the answer was
/// there, which the server sends only after it has read everything.
async fn exchange(opener: &Opener, upload: u64, download: u64, chunk: &mut [u8]) -> Result<Duration> {
    let start = Instant::now();
    let mut stream = opener.open(PERF).await?;
    stream.write_all(&download.to_be_bytes()).await?;
    send_zeros(&mut stream, upload).await?;
    stream.close().await?;
    let received = drain(&mut stream, chunk).await?;
    let took = start.elapsed();
    ensure!(received == download, "{received} bytes came, not {download}");
    Ok(took)
}

/// Connects such that streams cost no round trip for their negotiation, which is what the library's own perf program
/// does.
async fn connect_eagerly(target: &Target) -> Result<Opener> {
    connect_with(
        target,
        Setup {
            negotiation: Version::V1Lazy,
            ..Setup::default()
        },
    )
    .await
}

pub async fn perf(target: Target, upload: u64, download: u64, iterations: usize) -> Result<()> {
    let opener = connect_eagerly(&target).await?;
    let mut chunk = vec![0; CHUNK];
    for _ in 0..iterations {
        let up = exchange(&opener, upload, 0, &mut chunk).await.context("upload")?;
        let down = exchange(&opener, 0, download, &mut chunk).await.context("download")?;
        let line = json!({
            "upload_bytes_per_s": upload as f64 / up.as_secs_f64(),
            "download_bytes_per_s": download as f64 / down.as_secs_f64(),
        });
        println!("{line}");
    }
    Ok(())
}

pub async fn latency(target: Target, count: usize) -> Result<()> {
    let opener = connect_eagerly(&target).await?;
    let mut chunk = vec![0; CHUNK];
    let mut streams = Vec::new();
    let mut pings = Vec::new();
    for _ in 0..count {
        streams.push(patiently(exchange(&opener, 1, 1, &mut chunk)).await?);
    }
    let mut pinger = Pinger::new(&opener).await?;
    for _ in 0..count {
        pings.push(pinger.ping().await?);
    }
    println!(
        "{}",
        json!({"stream_ms": milliseconds(median(streams)), "ping_ms": milliseconds(median(pings))})
    );
    Ok(())
}

pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    let middle = times.len() / 2;
    match times.len() {
        0 => Duration::ZERO,
        n if n % 2 == 1 => times[middle],
        _ => (times[middle - 1] + times[middle]) / 2,
    }
}

pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
