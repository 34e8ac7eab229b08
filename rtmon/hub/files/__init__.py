"""File transfers: uploads to the server, downloads to their receivers."""
