"""The Forest Covertype data: the bundled sample and the reader of the full file."""

from dataset.covertype import SAMPLE, Covertype, DatasetError, from_uci, load_sample, read_csv
from dataset.draw import stratified

__all__ = ["SAMPLE", "Covertype", "DatasetError", "from_uci", "load_sample", "read_csv", "stratified"]
