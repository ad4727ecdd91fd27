"""The Open Inference Protocol: binary, JSON, gRPC."""

from benchmarks.scenarios.scenario import Goal, Scenario

PROTOCOLS = (
    Scenario(
        "v2_binary",
        "Open Inference Protocol, 1,000 rows of 20 float32, binary in and out",
        door="v2_binary",
        rows=1000,
        connections=4,
        contenders=("sluice", "onnxruntime"),
        goals=(Goal("onnxruntime", "rows_per_s", 0.8), Goal("onnxruntime", "cpu_us", 0.8)),
        shown="rows_per_s",
        note=(
            "`onnxruntime alone` is two pinned processes that run batches of 1,000 rows in a loop, with the settings "
            "that everyone has. It has the cores to itself; the server shares them with `wrk`, which makes and sends "
            "80 KB for each request: the ratio of server CPU per request leaves the client out."
        ),
    ),
    Scenario(
        "v2_json",
        "Open Inference Protocol, 1,000 rows of 20 numbers, JSON",
        door="v2",
        rows=1000,
        connections=8,
        contenders=("sluice", "mlserver", "mlserver_workers"),
        goals=(Goal("mlserver", "rows_per_s", 3.0),),
        shown="rows_per_s",
        note=(
            "Both run the same model, which takes 1.4 to 2 ms of processor time for each of these requests: what is "
            "saved around that cannot make it three times the other. MLServer's own process uses one core."
        ),
    ),
    Scenario(
        "v2_json_light",
        "Open Inference Protocol, 1,000 rows of 20 numbers, JSON, a model of microseconds",
        door="v2",
        rows=1000,
        connections=8,
        contenders=("linear", "linear_mlserver"),
        goals=(Goal("linear_mlserver", "rows_per_s", 3.0),),
        ours="linear",
        shown="rows_per_s",
        note=(
            "The same bodies for logistic regression, which takes some 15 us for the 1,000 rows: this compares the "
            "servers, the section above what a costly model leaves of the difference."
        ),
    ),
    Scenario(
        "grpc_one_row",
        "Open Inference Protocol over gRPC, one row per call, every row different",
        door="grpc",
        contenders=("sluice_grpc", "mlserver_grpc"),
        goals=(Goal("mlserver_grpc", "requests_per_s", 2.0),),
        ours="sluice_grpc",
        note=(
            "The clients are two Python processes that take about 300 us of the same two cores' time for each call. "
            "MLServer is one process, which runs on one core at a time; ours are two, which share both cores with the "
            "clients."
        ),
    ),
    Scenario(
        "grpc_same_row",
        "Open Inference Protocol over gRPC, one row per call, a client in C",
        door="grpc_same",
        contenders=("sluice_grpc_uncached", "mlserver_grpc"),
        goals=(Goal("mlserver_grpc", "requests_per_s", 2.0),),
        ours="sluice_grpc_uncached",
        note=(
            "The client is `h2load`, which takes some 40 us of the same two cores' time for each call. It sends one "
            "row again and again; neither server remembers answers here. An answer counts when its bytes arrived: "
            "HTTP's status alone is 200 for gRPC's errors too."
        ),
    ),
)
