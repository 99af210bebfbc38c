//! As much HTTP as it takes to ask moto what a function asks it, and to repeat its answers without thinking.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// A call of an AWS service that speaks JSON.
pub(crate) struct Question {
    pub(crate) target: &'static str,
    pub(crate) service: &'static str,
    pub(crate) body: Value,
}

/// A connection that stays open.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    /// To `http://ADDRESS`.
    pub(crate) fn open(endpoint: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(endpoint.trim_start_matches("http://"))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Asks, and gives the answer's body.
    pub(crate) fn ask(&mut self, question: &Question) -> anyhow::Result<Vec<u8>> {
        let Question { target, service, body } = question;
        let body = body.to_string();
        // moto finds the service by the scope, and checks no signature.
        let request = format!(
            "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-amz-target: {target}\r\ncontent-type: application/x-amz-json-1.1\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/{service}/aws4_request, \
             SignedHeaders=host, Signature=0\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes())?;
        let answer = Message::read(&mut self.0)?.context("no answer")?;
        ensure!(answer.first.contains(" 200 "), "{target}: {}", String::from_utf8_lossy(&answer.body));
        Ok(answer.body)
    }
}

/// A server that knows one answer to each target.
pub(crate) struct Repeater(SocketAddr);

impl Repeater {
    /// Asks these questions at `endpoint`, and from then on gives the answers. It ends with the process.
    pub(crate) fn start(endpoint: &str, questions: &[Question]) -> anyhow::Result<Self> {
        let mut connection = Connection::open(endpoint)?;
        let answers: Vec<(&'static str, Vec<u8>)> = questions
            .iter()
            .map(|question| Ok((question.target, connection.ask(question)?)))
            .collect::<anyhow::Result<_>>()?;
        let answers: Arc<[_]> = answers.into();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answers = Arc::clone(&answers);
                // A function that is killed cuts its connections.
                thread::spawn(move || drop(repeat(stream, &answers)));
            }
        });
        Ok(Self(address))
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.0)
    }
}

fn repeat(stream: TcpStream, answers: &[(&'static str, Vec<u8>)]) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = Message::read(&mut reader)? {
        let (_, body) =
            answers.iter().find(|(target, _)| request.target == *target).context("nobody asked that before")?;
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        reader.get_mut().write_all(&[head.as_bytes(), body].concat())?;
    }
    Ok(())
}

/// A request or an answer.
struct Message {
    first: String,
    target: String,
    body: Vec<u8>,
}

impl Message {
    /// The next one, if there is one.
    fn read(reader: &mut BufReader<TcpStream>) -> anyhow::Result<Option<Self>> {
        let (mut first, mut target, mut length) = (String::new(), String::new(), 0);
        if reader.read_line(&mut first)? == 0 {
            return Ok(None);
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            match &*name.to_ascii_lowercase() {
                "x-amz-target" => value.trim().clone_into(&mut target),
                "content-length" => length = value.trim().parse()?,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(Some(Self { first, target, body }))
    }
}
