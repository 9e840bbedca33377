"""Makes ilsvrc2012_mini, the ImageNet images that some tests read, from a public collection of one
image per class.

    git clone https://github.com/EliSchwartz/imagenet-sample-images
    python -m tests.ilsvrc2012_mini imagenet-sample-images $CNNLAB_DATA

The images are ImageNet's and fall under its terms (image-net.org/download), so they are no part of
this project or of `make data`. The collection is read as of its commit bc69043. The layout is that
of ILSVRC-2012's own tars: 250 training images, one per class, under invented numbers, and 100
validation images under the names and with the labels of the first hundred of the real ones. No
class is in both splits.
"""

import csv
import io
import pathlib
import sys
import tarfile

from cnnlab.data import synsets
from cnnlab.data.prepare import inputs, labels

# labels of the training images
CLASSES = """
1 5 8 12 17 22 26 33 38 43 47 52 53 60 63 68 73 75 81 83 88 93 95 103 105 111 117 122 126 128
135 140 143 146 153 161 165 170 171 174 181 186 190 191 194 199 206 208 213 218 221 224 228 233
239 243 248 252 257 260 267 268 274 281 284 290 294 296 302 307 308 312 319 322 326 333 335 338
342 347 351 356 360 364 371 380 384 389 392 400 402 403 405 410 411 413 418 422 429 433 435 438
439 441 443 447 451 457 459 465 473 475 480 486 491 493 499 501 506 513 519 520 524 530 535 538
543 544 546 550 553 556 562 563 564 569 570 574 577 583 589 596 600 604 605 606 613 616 619 624
629 632 633 634 638 644 648 649 653 657 660 662 663 668 675 677 680 685 686 688 689 693 695 699
704 706 710 712 720 722 726 732 735 739 741 744 747 749 758 763 764 766 771 773 775 783 785 790
794 798 802 804 805 811 814 818 823 826 828 830 834 837 840 843 851 854 859 862 867 875 877 881
885 888 894 897 899 903 906 908 915 916 921 926 929 933 940 941 945 951 957 959 967 969 974 978
984 989 993 995
"""
VALIDATION = 100


def add(tar, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def rows():
    """(split, file name, synset, label) of each image."""
    index = synsets.index()
    names = [synset.id for synset in synsets.synsets()]
    for label in map(int, CLASSES.split()):
        yield 'train', f'{names[label]}_{10_000 + label}.JPEG', names[label], label
    for i, synset in enumerate(labels.validation_synsets()[:VALIDATION], 1):
        yield 'validation', f'ILSVRC2012_val_{i:08}.JPEG', synset, index[synset]


def main(samples, data):
    """Writes data/ilsvrc2012_mini: the two tars, and manifest.csv with the label of each."""
    files = {path.name.partition('_')[0]: path for path in samples.glob('n*_*.JPEG')}
    folder = data / 'ilsvrc2012_mini'
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tarfile.open(folder / inputs.TRAIN, 'w') as train,
        tarfile.open(folder / inputs.VALIDATION, 'w') as validation,
        (folder / 'manifest.csv').open('w', newline='') as file,
    ):
        manifest = csv.writer(file)
        manifest.writerow(['split', 'file_name', 'wnid', 'label', 'source_file'])
        for split, name, synset, label in rows():
            if synset not in files:
                raise FileNotFoundError(f'{samples} has no image of {synset}, {synset}_*.JPEG')
            manifest.writerow([split, name, synset, label, files[synset].name])
            image = files[synset].read_bytes()
            if split == 'validation':
                add(validation, name, image)
                continue
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode='w') as of_class:
                add(of_class, name, image)
            add(train, f'{synset}.tar', inner.getvalue())


if __name__ == '__main__':
    main(*map(pathlib.Path, sys.argv[1:3]))
