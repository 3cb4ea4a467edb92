# HEADER precompiled as MADE, read behind a build's own makefile: g++ takes the result only where all options are the same.
$(MADE): $(HEADER)
	$(CXX) $(OPT_FAST) $(CXXFLAGS) $(CPPFLAGS) $(CFG_CXXFLAGS_PCH) $< -o $@
