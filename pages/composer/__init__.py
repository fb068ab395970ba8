"""The composer: input box, pending files, dictation, Stop."""
