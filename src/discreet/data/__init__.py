"""Pictures with labels: readers, checks and transforms. Numpy and Pillow only."""

from discreet.data.check import DataReport as DataReport
from discreet.data.check import DataStats as DataStats
from discreet.data.check import check_source as check_source
from discreet.data.check import data_stats as data_stats
from discreet.data.samples import Problem as Problem
from discreet.data.samples import Sample as Sample
from discreet.data.samples import SampleSource as SampleSource
from discreet.data.samples import require_subjects as require_subjects
from discreet.data.specs import open_spec as open_spec
from discreet.data.transforms import AugmentSettings as AugmentSettings
from discreet.data.transforms import augment as augment
