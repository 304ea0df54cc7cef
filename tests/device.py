"""A strict stand-in for device arrays, so that leaks show without a GPU.

A `DeviceArray` wraps a NumPy array and behaves as CuPy's arrays do: it refuses to become a NumPy
array by accident, and it does not mix with one in arithmetic, indexing, assignment or functions.
Only `.get()` (which `Ops.to_numpy` calls) brings the values back. `DeviceOps` makes such arrays,
and counts the transfers each way.
"""

from typing import Any

import numpy
from thinc.api import NumpyOps

SCALARS = (bool, int, float, numpy.generic)


class DeviceArray(numpy.lib.mixins.NDArrayOperatorsMixin):
    def __init__(self, array: numpy.ndarray) -> None:
        self._array = array

    def get(self) -> numpy.ndarray:
        return self._array

    def __array__(self, *args: Any, **kwargs: Any) -> numpy.ndarray:
        raise TypeError("a device array was turned into a NumPy array")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        raw = [unwrap(value) for value in inputs]
        out = kwargs.pop("out", None)
        if out is not None:
            kwargs["out"] = tuple(unwrap(value) for value in out)
        result = getattr(ufunc, method)(*raw, **kwargs)
        return out[0] if out is not None else wrap(result)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise TypeError(f"numpy.{func.__name__} was called on a device array")

    def __getitem__(self, index: Any) -> Any:
        return wrap(self._array[unwrap_index(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self._array[unwrap_index(index)] = unwrap(value)

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Any:
        return (wrap(row) for row in self._array)

    def __float__(self) -> float:
        return float(self._array)

    def __bool__(self) -> bool:
        return bool(self._array)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(self._array, name)
        if callable(value):
            return lambda *args, **kwargs: wrap(value(*map(unwrap, args), **unwrap_all(kwargs)))
        return wrap(value) if name == "T" else value


def wrap(value: Any) -> Any:
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        return DeviceArray(numpy.asarray(value))
    return tuple(map(wrap, value)) if isinstance(value, tuple) else value


def unwrap(value: Any) -> Any:
    if isinstance(value, DeviceArray):
        return value._array
    if isinstance(value, numpy.ndarray):
        raise TypeError("a NumPy array met a device array")
    if isinstance(value, (list, tuple)):
        return type(value)(unwrap(item) for item in value)
    return value


def unwrap_index(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(unwrap_index(part) for part in index)
    if isinstance(index, list):
        raise TypeError("a list as an index of a device array")
    return unwrap(index)


def unwrap_all(kwargs: Any) -> Any:
    return {name: unwrap(value) for name, value in kwargs.items()}


class DeviceXp:
    """The functions of NumPy on device arrays."""

    def __getattr__(self, name: str) -> Any:
        function = getattr(numpy, name)
        if isinstance(function, type) or not callable(function):
            return function

        def call(*args: Any, **kwargs: Any) -> Any:
            out = kwargs.get("out")
            result = function(*map(unwrap, args), **unwrap_all(kwargs))
            return out if out is not None else wrap(result)

        return call


CPU = NumpyOps()


def require_device(data: Any) -> numpy.ndarray:
    if not isinstance(data, DeviceArray):
        raise TypeError("the function of a device was called on a NumPy array")
    return data.get()


def require_kernel(X: Any, lengths: Any) -> None:
    """What the kernels of CuPy's backend take: on anything else they return None in silence."""
    if require_device(X).dtype not in ("float32", "float64"):
        raise TypeError("a kernel of the device needs floats")
    if require_device(lengths).dtype != "int32":
        raise TypeError("a kernel of the device needs its lengths as int32")


class DeviceOps(NumpyOps):
    name = "device"
    xp: Any = DeviceXp()
    _xp2d = DeviceXp()

    def __init__(self) -> None:
        super().__init__()
        self.to_device = 0
        self.to_host = 0

    def asarray(self, data: Any, dtype: Any = None) -> Any:
        if isinstance(data, DeviceArray):
            return data if dtype is None else data.astype(dtype)
        self.to_device += 1
        return DeviceArray(numpy.array(data, dtype=dtype))

    def asarray1f(self, data: Any, *, dtype: Any = "float32") -> Any:
        return self.asarray(data, dtype=dtype)

    def alloc(self, shape: Any, *, dtype: Any = "float32", zeros: bool = True) -> Any:
        return DeviceArray(numpy.zeros(shape, dtype=dtype))

    def gemm(
        self, x: Any, y: Any, out: Any = None, trans1: bool = False, trans2: bool = False
    ) -> Any:
        assert out is None
        values = CPU.gemm(require_device(x), require_device(y), trans1=trans1, trans2=trans2)
        return DeviceArray(values)

    def reduce_mean(self, X: Any, lengths: Any) -> Any:
        require_kernel(X, lengths)
        return DeviceArray(CPU.reduce_mean(X.get(), lengths.get()))

    def backprop_reduce_mean(self, d_means: Any, lengths: Any) -> Any:
        require_kernel(d_means, lengths)
        return DeviceArray(CPU.backprop_reduce_mean(d_means.get(), lengths.get()))

    def reduce_sum(self, X: Any, lengths: Any) -> Any:
        require_kernel(X, lengths)
        return DeviceArray(CPU.reduce_sum(X.get(), lengths.get()))

    def backprop_reduce_sum(self, d_sums: Any, lengths: Any) -> Any:
        require_kernel(d_sums, lengths)
        return DeviceArray(CPU.backprop_reduce_sum(d_sums.get(), lengths.get()))

    def scatter_add(self, table: Any, indices: Any, values: Any) -> Any:
        numpy.add.at(*map(require_device, (table, indices, values)))

    def to_numpy(self, data: Any, *, byte_order: Any = None) -> numpy.ndarray:
        if isinstance(data, numpy.ndarray):
            return data
        self.to_host += 1
        return data.get()
