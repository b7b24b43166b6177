from headstart.features.part import Part


def ends_over(part: Part, bad: set[int]) -> tuple[list[int], int]:
    """The images that are left out, and how many workers ended, where one ends over each image of ``bad``."""
    todo, out, ends = [part], [], 0
    while todo:
        part = todo.pop(0)
        if bad & set(range(part.start, part.stop)):
            ends += 1
            if again := part.after_an_end():
                todo = [*again, *todo]
            else:
                out.append(part.start)
    return out, ends


def test_only_the_image_that_ends_workers_is_left_out() -> None:
    assert ends_over(Part(start=64, stop=128), {70}) == ([70], 4)
    assert ends_over(Part(start=0, stop=64), {0, 63}) == ([0, 63], 6)
    assert ends_over(Part(start=0, stop=1), {0}) == ([0], 3)


def test_a_part_over_which_a_worker_ended_by_chance_is_done_whole() -> None:
    (again,) = Part(start=0, stop=64).after_an_end()
    assert (again.start, again.stop, again.alone) == (0, 64, True)
