import pytest
from published_nb101 import evaluation, metrics

from retiarii.benchmarks._tables._formats.protobuf_wire import BYTES, FIXED64, VARINT, double_of, message_fields

SCHEMA = [("current_epoch", 1), ("training_time", 1), ("train_accuracy", 1), ("validation_accuracy", 1)]


def published_classes():
    """``ModelMetrics`` and ``EvaluationData`` of the published model_metrics.proto, by Google's library."""
    pb2 = pytest.importorskip("google.protobuf.descriptor_pb2")
    from google.protobuf import descriptor_pool, message_factory

    names = ["current_epoch", "training_time", "train_accuracy", "validation_accuracy", "test_accuracy"]
    file = pb2.FileDescriptorProto(name="model_metrics.proto", package="nasbench", syntax="proto2")
    one = file.message_type.add(name="EvaluationData")
    for number, name in enumerate(names, 1):
        one.field.add(name=name, number=number, type=1, label=1)
    one.field.add(name="checkpoint_path", number=6, type=9, label=1)
    all_of_them = file.message_type.add(name="ModelMetrics")
    all_of_them.field.add(name="evaluation_data", number=1, type=11, label=3, type_name=".nasbench.EvaluationData")
    all_of_them.field.add(name="trainable_parameters", number=2, type=5, label=1)
    all_of_them.field.add(name="total_time", number=3, type=1, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return [
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"nasbench.{name}"))
        for name in ("ModelMetrics", "EvaluationData")
    ]


def test_messages_of_the_generator_are_those_of_googles_library():
    model_metrics, evaluation_data = published_classes()
    numbers = {"current_epoch": 54.0, "training_time": 12.5, "train_accuracy": 0.5, "validation_accuracy": 0.25}
    one = evaluation_data(**numbers, test_accuracy=0.125, checkpoint_path="a/b")
    assert one.SerializeToString() == evaluation(54.0, 12.5, 0.5, 0.25, 0.125, b"a/b")
    whole = model_metrics(evaluation_data=[one, one], trainable_parameters=2_000_000, total_time=1234.5)
    assert whole.SerializeToString() == metrics([one.SerializeToString()] * 2, 2_000_000)


def test_fields_have_numbers_types_and_values():
    one = evaluation(2.0, 30.5, 0.5, 0.25, 0.125, b"x" * 200)
    *numbers, path = message_fields(one)
    assert [(number, double_of(kind, value)) for number, kind, value in numbers] == [
        (1, 2.0),
        (2, 30.5),
        (3, 0.5),
        (4, 0.25),
        (5, 0.125),
    ]
    assert path == (6, BYTES, b"x" * 200)
    first, parameters, total = message_fields(metrics([one], 300))
    assert (first, parameters) == ((1, BYTES, one), (2, VARINT, 300))
    assert double_of(*total[1:]) == 1234.5
    assert list(message_fields(b"\x0d\1\2\3\4")) == [(1, 5, b"\1\2\3\4")]
    with pytest.raises(ValueError, match="expected a double"):
        double_of(VARINT, 3)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"\x09\0\0", "ends within field 1"),
        (b"\x0a\x7fab", "ends within field 1"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "ends within field 1"),
        (b"\x10\x80", "ends within a number"),
        (b"\x10" + b"\x80" * 12, "more than 64 bits"),
        (b"\x0b", "wire type 3"),
    ],
)
def test_damaged_messages_are_refused(message, reason):
    with pytest.raises(ValueError, match=reason):
        list(message_fields(message))
    assert FIXED64 == 1
