"""What the tests of the tables share: rows, and a run that is recorded with them."""

from plastic.records import Recorder

EVALUATION = {
    "step": 10,
    "epoch": 0.5,
    "split": ["train", "reward", "test"],
    "loss": [0.1, 0.2, 0.3],
    "score": [0.9, 0.8, 0.7],
    "n_neurons": 12,
    "n_connections": 40,
    "density": 0.25,
    "train_flops": 1e6,
    "candidate_gradients": 5,
    "learning_rate": 0.1,
    "seconds": 0.01,
}
EDIT = {"step": 10, "kind": "connect", "id": [1, 2], "source": [0, 1], "target": 5}
ARM = {"step": 10, "arm": ["grow", "prune"], "pulls": [1, 0]}
METRIC = {"step": 10, "metric": "depth", "label": ["longest", "skips"], "value": [3, 0.5]}


def write_run(folder, run=None, findings=None, evaluations=1):
    row = {"study": "demo", "dataset": "digits", "policy": "set", "seed": 0} | (run or {})
    with Recorder(folder, row, config="seed: 0\n") as recorder:
        for i in range(evaluations):
            recorder.add("convergence", EVALUATION | {"step": 10 * i})
        recorder.add("edits", EDIT | {"accepted": True})
        recorder.add("arms", ARM)
        recorder.finish(**({"final_test_score": 0.7, "metric": "accuracy"} | (findings or {})))
    return folder
