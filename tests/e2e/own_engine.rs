//! An engine of the test's own: stopped, killed and started while the shared one goes on.

use bollard::models::ContainerStateStatusEnum as Status;

use crate::support::engine::Engine;
use crate::support::lab::Lab;
use crate::support::leftovers;

#[tokio::test]
async fn an_own_engine_is_stopped_killed_and_started_and_the_shared_one_does_not_notice() {
    let shared = Engine::shared().await;
    let shared_lab = Lab::new(&shared).await;
    let bystander = shared_lab.container("bystander").start().await;
    let started_at = bystander.inspect().await.state.unwrap().started_at;

    let mut own = Engine::own().await;
    let dir = own.socket().unwrap().parent().unwrap().to_owned();
    let name = dir.file_name().unwrap().to_str().unwrap().to_owned();
    let bridge = std::path::Path::new("/sys/class/net").join(&name);
    assert!(bridge.exists());
    {
        let lab = Lab::new(&own).await;
        let web =
            lab.container("web").publish(8080).shell("httpd -f -p 8080 -h /etc & wait $!").start().await;
        assert_eq!(lab.ids().await, [web.id()]);
        let ports = web.inspect().await.network_settings.unwrap().ports.unwrap();
        let port = ports["8080/tcp"].as_ref().unwrap()[0].host_port.clone().unwrap();
        let url = format!("http://127.0.0.1:{port}/passwd");
        crate::support::wait::until("the published port answers", crate::support::wait::SOON, || async {
            let answer = crate::support::http::get(&url).await?;
            if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
        })
        .await;

        own.stop().await;
        assert!(own.docker().ping().await.is_err());
        own.start().await;
        assert_eq!(web.status().await, Status::EXITED);

        web.start().await;
        own.kill9().await;
        assert!(own.docker().ping().await.is_err());
        own.start().await;
        assert_eq!(web.status().await, Status::EXITED, "the engine ends at its start what it lost track of");
        web.start().await;
        // The lab goes first, as it does in any test; the engine still has to cope with what runs on.
        own.kill9().await;
    }
    drop(own);
    assert!(!dir.exists() && !bridge.exists());
    assert_eq!(leftovers::processes(&format!("{}/", dir.display())), Vec::<i32>::new());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&name), "{mounts}");

    assert_eq!(bystander.inspect().await.state.unwrap().started_at, started_at);
}
