// How the top of the streaming form starts its layers: a DATAFLOW region for synthesis, side by side in the C simulation.
#ifndef FLOW_DATAFLOW_H
#define FLOW_DATAFLOW_H

#include "flow_stream.h"

#if defined(__SYNTHESIS__) || defined(__VITIS_HLS__) || defined(FLOW_VENDOR_STREAM)
#define FLOW_REGION
#define FLOW_DEPTH(stream, depth)
#define FLOW_LAYER(...) __VA_ARGS__;
#define FLOW_RUN
#else
#define FLOW_REGION ::flow::region layers_side_by_side;
#define FLOW_DEPTH(stream, depth) stream.limit(depth);
#define FLOW_LAYER(...) layers_side_by_side.add([&] { __VA_ARGS__; });
#define FLOW_RUN layers_side_by_side.run();
#endif

#endif
