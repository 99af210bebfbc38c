//! What `countersign serve` adds to a signature, over real connections on loopback: `cargo bench --bench serve`.
//!
//! Server and load share the process and the machine's cores, so the wall clock tells little about the server. What is
//! compared is CPU time: requests per CPU-second of the server's own threads, found by their name, with bare signatures
//! per CPU-second by the same key on the same bytes, in turns and with all cores busy both times. HTTP, `SigV4` and the
//! audit line (to `/dev/null`) are part of a request. So is what the kernel does for the server's answers; taking in a
//! request falls, on loopback, mostly to the thread that sends it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail, ensure};
use aws_credential_types::Credentials;
use countersign::client;
use countersign::out::Lines;
use countersign::serve::data::{Data, Snapshot};
use countersign::serve::rotation::Rotation;
use countersign::serve::{Server, audit_to};
use countersign_core::jwk::Algorithm;
use countersign_core::url::IssuerUrl;
use countersign_keys::LocalKey;
use countersign_keys::file::write_private;
use serde_json::{Value, json};
use testkit::measure::workload::{self, ARN, CONTENT_TYPE, ORGANISATION, POLICY, PRINCIPAL_ID};
use testkit::measure::{self, Samples};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How often server and bare signature have their turn, for each key.
const ROUNDS: u32 = 9;
/// The server's turn. A request is signed once a turn: a signature is good for five minutes.
const SERVING: Duration = Duration::from_secs(1);
/// The bare signature's turn.
const SIGNING: Duration = Duration::from_millis(500);
/// Connections, for each core: enough that the server is never waiting for a request.
const CONNECTIONS: usize = 4;
/// A server that does not answer is a failure, not a measurement.
const PATIENCE: Duration = Duration::from_secs(10);
/// The server's threads, and no others, have these names: they answer requests, and write audit lines.
const SERVER_THREADS: [&str; 2] = ["issuer", "lines"];

const ACCESS_KEY_ID: &str = "AKIABENCHMARK0000000";
const SECRET_ACCESS_KEY: &str = "benchmark/benchmark/benchmark/benchmark0";

fn main() -> anyhow::Result<()> {
    if !measure::is_wanted() {
        return Ok(());
    }
    println!("{}", measure::conditions("cargo bench --bench serve"));
    let directory =
        tempfile::Builder::new().prefix("countersign-bench-").tempdir().context("no temporary directory")?;
    let cores = thread::available_parallelism()?.get();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores)
        .thread_name(SERVER_THREADS[0])
        .enable_all()
        .build()?;
    let server = runtime.block_on(server(directory.path()))?;
    let (address, snapshot) = (server.address(), server.data().current());
    let (stop, stopped) = oneshot::channel::<()>();
    let running = runtime.spawn(server.run(async {
        let _ = stopped.await;
    }));
    let measured = lanes(address, &snapshot, cores);
    drop(stop);
    runtime.block_on(running).context("the server ended in a panic")?;
    measured
}

/// The server, with a data directory of its own, on a free port.
async fn server(directory: &Path) -> anyhow::Result<Server> {
    let credentials = json!([{
        "access_key_id": ACCESS_KEY_ID, "secret_access_key": SECRET_ACCESS_KEY,
        "arn": ARN, "principal_id": PRINCIPAL_ID, "org_id": ORGANISATION,
    }]);
    write_private(&directory.join("credentials.yaml"), credentials.to_string().as_bytes())?;
    // JSON is YAML.
    write_private(&directory.join("policy.yaml"), POLICY.as_bytes())?;
    let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on loopback")?;
    let issuer = IssuerUrl::local(&format!("http://{}", listener.local_addr()?))?;
    let audit = audit_to(File::options().write(true).open("/dev/null")?)?;
    Server::new(listener, Data::open(directory, None, issuer, Rotation::default())?, audit, Lines::to(std::io::sink())?)
}

/// A line for each key that signs.
fn lanes(address: SocketAddr, snapshot: &Snapshot, cores: usize) -> anyhow::Result<()> {
    println!(
        "| key | requests per CPU-second of `serve` | bare signatures per CPU-second | ratio | CPU per request beside the signature, µs | requests/s, {cores} cores shared with the load |"
    );
    println!("|---|---|---|---|---|---|");
    for (name, lane, audience) in [
        ("RS256, 2048 bits", Algorithm::RS256, "snowflake"),
        ("ES256", Algorithm::ES256, "orders"),
        ("ES384", Algorithm::ES384, "ledger"),
    ] {
        let kid = snapshot.keyring.public().signing(lane).context("the lane has no key")?.kid();
        let key = snapshot.keyring.signer(kid).context("the key has no private half")?;
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS * cores {
            clients.push(Client::new(address, audience)?);
        }
        let first = clients.first_mut().context("no cores")?;
        first.sign()?;
        let message = signing_input(&first.ask()?)?;
        let (mut requests, mut signatures, mut wall) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let served = serve(&mut clients)?;
            requests.push(served.per_cpu_second);
            wall.push(served.per_second);
            signatures.push(sign(key, message.as_bytes(), cores)?);
        }
        let (requests, signatures, wall) = (Samples(requests), Samples(signatures), Samples(wall));
        let ratio = requests.per(&signatures);
        let beside = requests.with(&signatures, |requests, signatures| (1.0 / requests - 1.0 / signatures) * 1e6);
        println!("| {name} | {requests:.0} | {signatures:.0} | {ratio:.3} | {beside:.0} | {wall:.0} |");
    }
    Ok(())
}

struct Served {
    per_cpu_second: f64,
    per_second: f64,
}

/// All clients ask as fast as they are answered.
fn serve(clients: &mut [Client]) -> anyhow::Result<Served> {
    for client in &mut *clients {
        client.sign()?;
    }
    let (before, began) = (server_threads()?, Instant::now());
    let counts: Vec<anyhow::Result<u32>> = thread::scope(|scope| {
        let asking: Vec<_> = clients.iter_mut().map(|client| scope.spawn(|| client.ask_for(SERVING))).collect();
        let joined = asking.into_iter().map(ScopedJoinHandle::join);
        joined.map(|count| count.unwrap_or_else(|_| Err(anyhow!("a client ended in a panic")))).collect()
    });
    let (wall, after) = (began.elapsed().as_secs_f64(), server_threads()?);
    let count = f64::from(counts.into_iter().sum::<anyhow::Result<u32>>()?);
    // A thread that has ended in between had next to nothing to do.
    let cpu: f64 = after.iter().map(|(thread, time)| time - before.get(thread).copied().unwrap_or_default()).sum();
    Ok(Served { per_cpu_second: count / cpu, per_second: count / wall })
}

/// CPU time of each of the server's threads so far, in seconds.
fn server_threads() -> anyhow::Result<BTreeMap<String, f64>> {
    let mut times = BTreeMap::new();
    for thread in fs::read_dir("/proc/self/task").context("/proc/self/task")? {
        let thread = thread?;
        // One that ends while it is looked at is not counted.
        let Ok(name) = fs::read_to_string(thread.path().join("comm")) else { continue };
        if SERVER_THREADS.contains(&name.trim_end())
            && let Some(time) = measure::cpu_time(&thread.path())
        {
            times.insert(thread.file_name().to_string_lossy().into_owned(), time);
        }
    }
    ensure!(!times.is_empty(), "no thread is called {SERVER_THREADS:?}");
    Ok(times)
}

/// Bare signatures per CPU-second, with every core signing: two that share a physical core are slower than one.
fn sign(key: &LocalKey, message: &[u8], cores: usize) -> anyhow::Result<f64> {
    let one = || -> anyhow::Result<(u32, f64)> {
        let (before, began) = (measure::own_cpu_time(), Instant::now());
        let mut count = 0;
        while began.elapsed() < SIGNING {
            black_box(key.sign_now(black_box(message))?);
            count += 1;
        }
        Ok((count, measure::own_cpu_time() - before))
    };
    thread::scope(|scope| {
        let signing: Vec<_> = (0..cores).map(|_| scope.spawn(one)).collect();
        let (mut signatures, mut seconds) = (0.0, 0.0);
        for thread in signing {
            let (count, time) = thread.join().map_err(|_| anyhow!("a signing thread ended in a panic"))??;
            signatures += f64::from(count);
            seconds += time;
        }
        Ok(signatures / seconds)
    })
}

/// What the token in this answer was signed over.
fn signing_input(answer: &[u8]) -> anyhow::Result<String> {
    let answer: Value = serde_json::from_slice(answer).context("the answer is not JSON")?;
    let token = answer.get("token").and_then(Value::as_str).context("the answer has no token")?;
    Ok(token.rsplit_once('.').context("the token has no signature")?.0.to_owned())
}

/// One connection that is kept, and the request that it sends again and again.
///
/// As small as can be: what it costs takes cores from the server.
struct Client {
    stream: BufReader<TcpStream>,
    url: String,
    address: SocketAddr,
    body: String,
    request: String,
}

impl Client {
    fn new(address: SocketAddr, audience: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).context("cannot connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: BufReader::new(stream),
            url: format!("http://{address}/token"),
            address,
            body: workload::body(audience),
            request: String::new(),
        })
    }

    /// Sign the request anew.
    fn sign(&mut self) -> anyhow::Result<()> {
        let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "bench");
        let headers =
            client::signed_headers(&self.url, "us-east-1", &credentials, Some(CONTENT_TYPE), self.body.as_bytes())?;
        let length = self.body.len();
        self.request = format!("POST /token HTTP/1.1\r\nhost: {}\r\ncontent-length: {length}\r\n", self.address);
        for (name, value) in &headers {
            write!(self.request, "{name}: {}\r\n", value.to_str()?)?;
        }
        write!(self.request, "\r\n{}", self.body)?;
        Ok(())
    }

    /// Ask for so long; how many tokens came.
    fn ask_for(&mut self, time: Duration) -> anyhow::Result<u32> {
        let began = Instant::now();
        let mut count = 0;
        while began.elapsed() < time {
            self.ask()?;
            count += 1;
        }
        Ok(count)
    }

    /// Ask once; the body of the answer, if that is a token.
    fn ask(&mut self) -> anyhow::Result<Vec<u8>> {
        self.stream.get_mut().write_all(self.request.as_bytes())?;
        let (mut status, mut line, mut length) = (String::new(), String::new(), 0);
        self.stream.read_line(&mut status)?;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            match line.trim_end().split_once(": ") {
                Some(("content-length", value)) => length = value.parse()?,
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        if !status.starts_with("HTTP/1.1 200 ") {
            bail!("{}: {}", status.trim_end(), String::from_utf8_lossy(&body));
        }
        Ok(body)
    }
}
