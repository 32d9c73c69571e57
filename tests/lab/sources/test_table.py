"""CSV files of images: what each line means, and what is wrong with one."""

import pytest

from lab.errors import InputError
from lab.sources import read
from lab.sources.listing import Row
from lab.sources.table import list_table


@pytest.fixture
def table(tmp_path):
    """Function that writes a text as a CSV file and lists its images."""

    def write(text, said=lambda text: None, encoding="utf-8"):
        (tmp_path / "birds.csv").write_bytes(text.encode(encoding))
        return [row._replace(path="") for row in list_table(tmp_path / "birds.csv", said)]

    return write


def test_a_line_is_an_image_with_its_label(table):
    assert table("path,label\na/1.png,owl\nb 2.png, barn owl \n") == [
        Row("", "a/1.png", "train", "owl"),
        Row("", "b 2.png", "train", "barn owl"),
    ]


def test_paths_count_from_the_folder_of_the_file_unless_they_are_absolute(tmp_path):
    (tmp_path / "a.csv").write_text("path,label\nx/1.png,owl\n/y/2.png,owl\n", encoding="utf-8")
    assert [row.path for row in list_table(tmp_path / "a.csv", print)] == [str(tmp_path / "x" / "1.png"), "/y/2.png"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_any_usual_separator_encoding_and_line_end_will_do(table, separator, encoding, line_end):
    text = line_end.join(["label,seen on,PATH", "käuzchen,Monday,1.png", "", "鴉,,2.png", ""])
    rows = table(text.replace(",", separator), encoding=encoding)
    assert [(row.name, row.label) for row in rows] == [("1.png", "käuzchen"), ("2.png", "鴉")]


def test_a_quoted_value_may_have_separators_and_line_breaks(table):
    (row,) = table('path,label\n"a,b.png","two\nlines"\n')
    assert (row.name, row.label) == ("a,b.png", "two\nlines")


def test_splits_are_parts(table):
    rows = table("path,label,split\n1,a,train\n2,a,validation\n3,a,Val\n4,a,valid\n5,a,test\n")
    assert [row.part for row in rows] == ["train", "validation", "validation", "validation", "test"]
    assert {row.query for row in rows} == {None}


def test_queries_and_gallery_are_the_test_part_and_cameras_count_from_0(table):
    rows = table("path,label,split,camera\n1,a,train,\n2,a,query,c10\n3,a,gallery,c2\n4,b,gallery,c10\n")
    assert [(row.part, row.query, row.camera) for row in rows] == [
        ("train", None, None),
        ("test", True, 0),  # By text: c10 is before c2.
        ("test", False, 1),
        ("test", False, 0),
    ]


def test_lines_that_say_the_same_are_one_image(table):
    said = []
    assert len(table("path,label\n1,a\n2,b\n1,a\n", said.append)) == 2
    assert said == ["lines that say again what another one says, and are left out: 1"]


def test_separators_at_the_end_of_lines_say_nothing(table):
    assert (
        table("path,label,,\n1,a,,\n2,b,,,\n")
        == table("path,label,x,x\n1,a\n2,b,,\n")
        == [Row("", "1", "train", "a"), Row("", "2", "train", "b")]
    )


def test_a_path_may_be_written_in_several_ways(table):
    assert table("path,label\na/1.png,owl\n./a/1.png,owl\na//1.png,owl\n") == [Row("", "a/1.png", "train", "owl")]


def test_a_path_that_no_file_can_have_is_that_of_an_image_that_cannot_be_read(tmp_path):
    (tmp_path / "birds.csv").write_text("path,label\n1.png,owl\n2\0.png,jay\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"2 of 2 images cannot be read.*null byte"):
        read(tmp_path / "birds.csv")


FAULTS = {
    "": "no column path and label",
    "a.png,owl\nb.png,finch\n": "no column path and label.*Received: a.png, owl",
    "file,label\n1,a\n": "no column path.*Received: file, label",
    "path,class\n1,a\n": "no column label.*Received: path, class",
    "path,label\n1,a\n2,\n": "line 3: has no label",
    "path,label\n1,a\n2\n": "line 3: has no label",
    "path,label\n\n ,a\n": "line 3: has no path",
    "path,label,split\n1,a,dev\n": "line 2: unknown split dev.*Valid: train",
    "path,label,split\n1,a,\n": r"unknown split \(empty\)",
    "path,label,split\n1,a,test\n2,a,query\n3,a,gallery\n": "unknown split test",
    "path,label,split\n1,a,train\n2,a,query\n": "queries but no gallery",
    "path,label,split\n1,a,train\n2,a,gallery\n": "gallery but no queries",
    "path,label,split,camera\n1,a,query,1\n2,a,gallery,\n": "some test images have a camera and some have none",
    "path,label\n1,a\n1,b\n": r"1 is there twice, as a \(train\) and b \(train\)",
    "path,label,split\n1,a,train\n1,a,test\n": r"1 is there twice, as a \(train\) and a \(test\)",
    "path,label,split\n1,a,query\n1,a,gallery\n": r"as a \(query\) and a \(gallery\)",
    'path,label\n1,"a\n': "no CSV file",
    "path,label\n1,Smith, cat\n2,Smith, dog\n": "line 2: has more values than there are columns. Quote",
    "path,label,label\n1,a,b\n": "several columns label",
    "\npath,label\n1,a\n": "no column path and label.*Received: none",
}


@pytest.mark.parametrize("text", FAULTS)
def test_what_is_wrong_is_told_with_its_line(table, text):
    with pytest.raises(InputError, match=rf"(?s)birds\.csv.*{FAULTS[text]}"):
        table(text)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_refused(table, encoding):
    with pytest.raises(InputError, match="is not in UTF-8"):
        table("path,label\n1,kläffer\n", encoding=encoding)
