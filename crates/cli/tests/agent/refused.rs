//! Whoever is not to get credentials, over a real connection. `door`'s own tests have every case.

use std::io::Read as _;
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::process::Command;

use serde_json::Value;

use crate::running::{Agent, PATIENCE};
use crate::world::World;

fn agent(world: &World) -> Agent {
    let agent = Agent::start(world.agent(&["--profile", "deploy"]));
    assert_eq!(agent.get("/deploy").status, 200);
    agent
}

#[test]
fn only_who_is_here_by_name_and_has_the_token_gets_anything() {
    let world = World::new();
    let agent = agent(&world);
    let (host, token) = (format!("host: {}\r\n", agent.address), format!("authorization: {}\r\n", agent.token()));
    for (line, headers, status, code) in [
        ("GET /deploy", format!("host: rebound.example:{}\r\n{token}", agent.address.port()), 403, "WrongHost"),
        ("GET /deploy", format!("{host}{token}origin: http://{}\r\n", agent.address), 403, "Browser"),
        ("PUT /deploy", format!("{host}{token}content-length: 9999999999\r\n"), 405, "MethodNotAllowed"),
        ("GET /deploy", host.clone(), 403, "NotAuthorized"),
        ("GET /deploy", format!("{host}{token}{token}"), 403, "NotAuthorized"),
        ("GET /deploy", format!("{host}authorization: Bearer {}\r\n", agent.token()), 403, "NotAuthorized"),
        ("GET /status", host.clone(), 403, "NotAuthorized"),
        ("GET /other", format!("{host}{token}"), 404, "NotFound"),
    ] {
        let got = agent.ask(&format!("{line} HTTP/1.1\r\n{headers}\r\n"));
        assert_eq!((got.status, &got.body["code"]), (status, &Value::from(code)), "{line} {headers}: {got:?}");
        assert!(got.key().is_none());
    }
    let secret = agent.get("/deploy").body["SecretAccessKey"].as_str().unwrap().to_owned();
    let (code, stdout, stderr) = agent.stop();
    assert_eq!(code, Some(0));
    let token = token.trim_start_matches("authorization: ").trim_end();
    assert!([secret.as_str(), token].iter().all(|secret| !(stdout.clone() + &stderr).contains(secret)));
}

/// Nothing is sent: a socket that is connected knows from which address it would.
fn address_of_this_machine() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

#[test]
fn another_address_than_loopback_is_refused_though_it_is_of_this_machine() {
    let Some(address) = address_of_this_machine() else {
        println!("this machine has no other address: door's own tests have the case");
        return;
    };
    let world = World::new();
    let agent = agent(&world);
    let curl = |interface: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--interface", interface, "--header", "@-"]);
        curl.arg(format!("http://{}/deploy", agent.address)).stdin(std::process::Stdio::piped());
        let mut curl = curl.stdout(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(
            &mut curl.stdin.take().unwrap(),
            format!("authorization: {}\n", agent.token()).as_bytes(),
        )
        .unwrap();
        let output = curl.wait_with_output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    };
    assert!(curl("127.0.0.1")["AccessKeyId"].is_string());
    assert_eq!(curl(&address.to_string())["code"], "NotLocal");
}

#[test]
fn who_says_nothing_is_not_waited_for_and_keeps_nobody_out() {
    let world = World::new();
    let agent = agent(&world);
    let silent: Vec<TcpStream> = (0..256).map(|_| TcpStream::connect(agent.address).unwrap()).collect();
    // It waits for its place.
    assert_eq!(agent.get("/deploy").status, 200);
    for mut stream in silent {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut said = Vec::new();
        // Closed, whatever is said of it.
        let _ = stream.read_to_end(&mut said);
        assert!(!String::from_utf8_lossy(&said).contains("ASIA"));
    }
}
