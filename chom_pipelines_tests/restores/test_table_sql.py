from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.restores.table_sql import split_table

TABLE = b"""CREATE TABLE `o``rders` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT COMMENT 'KEY (x), AUTO_INCREMENT',
  `user_id` bigint(20) NOT NULL,
  `note` varchar(9) DEFAULT ') ENGINE=MyISAM',
  PRIMARY KEY (`id`),
  UNIQUE KEY `number` (`note`),
  KEY `user` (`user_id`),
  FULLTEXT KEY `words` (`note`),
  CONSTRAINT `of` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE CASCADE,
  CONSTRAINT `positive` CHECK (`user_id` > 0)
) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4"""


def test_keys_and_foreign_keys_wait_and_the_rest_does_not() -> None:
    split = split_table(TABLE)
    assert split.keys == (b"UNIQUE KEY `number` (`note`)", b"KEY `user` (`user_id`)")
    assert split.full_text == (b"FULLTEXT KEY `words` (`note`)",)
    assert split.foreign_keys == (
        b"CONSTRAINT `of` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE CASCADE",
    )
    assert b"CHECK" in split.create
    assert split.create.count(b",\n") == 4
    assert split.additions("`d`.`t`")[0] == (
        b"ALTER TABLE `d`.`t`\n ADD UNIQUE KEY `number` (`note`),\n ADD KEY `user` (`user_id`)"
    )


def test_the_only_key_of_a_counter_stays() -> None:
    table = TABLE.replace(b"  PRIMARY KEY (`id`),\n", b"  PRIMARY KEY (`user_id`),\n  KEY `counter` (`id`),\n")
    assert b"KEY `counter` (`id`)" in split_table(table).create


def test_without_a_primary_key_unique_keys_stay() -> None:
    table = TABLE.replace(b"  PRIMARY KEY (`id`),\n", b"").replace(b" AUTO_INCREMENT COMMENT", b" COMMENT")
    assert b"UNIQUE KEY `number`" in split_table(table).create


def test_tables_of_other_engines_and_with_history_are_left_whole() -> None:
    other = TABLE.replace(b"ENGINE=InnoDB", b"ENGINE=MyISAM")
    history = TABLE + b" WITH SYSTEM VERSIONING"
    assert split_table(other).create == other
    assert split_table(history).create == history


def test_beside_a_key_with_hidden_columns_no_other_waits() -> None:
    for clause in (b"UNIQUE KEY `h` (`note`) USING HASH", b"UNIQUE KEY `p` (`id`,`p` WITHOUT OVERLAPS)"):
        split = split_table(TABLE.replace(b"  KEY `user`", b"  " + clause + b",\n  KEY `user`"))
        assert (split.keys, split.full_text) == ((), ())
        assert split.foreign_keys


def test_it_is_known_which_tables_several_connections_can_fill() -> None:
    plain = TABLE.replace(b" AUTO_INCREMENT COMMENT", b" COMMENT")
    assert not split_table(plain).may_count
    assert not split_table(plain).ranges_meet
    assert split_table(TABLE).may_count
    for clause in (b"UNIQUE KEY `h` (`note`) USING HASH", b"UNIQUE KEY `p` (`id`,`p` WITHOUT OVERLAPS)"):
        assert split_table(plain.replace(b"  KEY `user`", b"  " + clause + b",\n  KEY `user`")).ranges_meet
    assert split_table(plain.replace(b"ENGINE=InnoDB", b"ENGINE=MyISAM")).ranges_meet


def test_a_quote_in_a_name_begins_no_string() -> None:
    table = TABLE.replace(b"`id`", b"`it's`")
    assert split_table(table).may_count
    kept = table.replace(b"  PRIMARY KEY (`it's`),\n", b"  PRIMARY KEY (`user_id`),\n  KEY `counter` (`it's`),\n")
    assert b"KEY `counter` (`it's`)" in split_table(kept).create


def test_a_comment_that_names_history_is_only_a_comment() -> None:
    assert split_table(TABLE + b" COMMENT='WITH SYSTEM VERSIONING'").keys


@given(st.lists(st.sampled_from([b"KEY `a` (`id`)", b"UNIQUE KEY `b` (`id`)", b"CHECK (`id` > 1)"]), max_size=6))
def test_no_line_is_lost(lines: list[bytes]) -> None:
    items = [b"`id` int(11) NOT NULL", b"PRIMARY KEY (`id`)", *lines]
    table = b"CREATE TABLE `t` (\n" + b",\n".join(b"  " + item for item in items) + b"\n) ENGINE=InnoDB"
    split = split_table(table)
    kept = [line.strip().removesuffix(b",") for line in split.create.split(b"\n")[1:-1]]
    assert sorted([*kept, *split.keys]) == sorted(items)
